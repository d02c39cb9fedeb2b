//! What happens before a reboot into an armed release: the repository is asked, waited for, or done without.

use acl_updater_core::{
    effect::{Effect, Step},
    event::{Event, Obstacle, Outcome, Request, Unreachable, Unread},
    state::{Failure, Goal, Phase, State, Who},
    step,
};

use crate::{
    decisions::{armed, facts, offer},
    model::version,
};

/// The agent at a check that is to lead to the reboot into release 2, which is armed.
fn about_to_reboot() -> State {
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let (state, effects) = step(armed(), Event::Asked(Request::Apply, machine));
    assert_eq!(effects, [Effect::Save, Effect::Check]);
    state
}

fn obstacle(reason: &str) -> Obstacle {
    Obstacle {
        version: version(2),
        reason: reason.into(),
    }
}

fn nothing() -> Outcome {
    Outcome::Nothing {
        reason: "2 was withdrawn".into(),
        verdicts: vec!["2 was withdrawn".into()],
        at_fault: None,
    }
}

#[test]
fn a_release_that_was_taken_back_is_disarmed_before_anything_else_whatever_was_asked_for() {
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    for request in [Request::Check, Request::Stage, Request::Apply] {
        let (state, _) = step(armed(), Event::Asked(request, machine.clone()));
        let withdrawn = obstacle("it was withdrawn");
        let checked = Event::Checked(nothing(), Some(withdrawn.clone()));
        let (state, effects) = step(state, checked);
        assert_eq!(effects, [Effect::Disarm(withdrawn.clone())], "{request:?}");
        let (state, effects) = step(state, Event::Disarmed(withdrawn));
        assert_eq!(effects, [Effect::Save, Effect::Check], "{request:?}");
        assert_eq!(state.machine.armed(), None);
        let (state, effects) = step(state, Event::Checked(nothing(), None));
        assert_eq!(effects, [Effect::Save], "{request:?}");
        let disarmed = Phase::Disarmed {
            version: version(2),
            reason: "it was withdrawn".into(),
        };
        assert_eq!(state.phase, disarmed);
        assert_eq!(state.update, None);
        // The next start finds it in the history.
        let (state, _) = step(state, Event::Started(facts(1, &[(1, None)])));
        assert_eq!(state.phase, disarmed);
    }
}

#[test]
fn another_release_is_staged_once_the_armed_one_is_disarmed() {
    let withdrawn = obstacle("it was withdrawn");
    let Event::Checked(three, _) = offer(3) else {
        panic!("an offer is the end of a check");
    };
    let checked = Event::Checked(three, Some(withdrawn.clone()));
    let (state, effects) = step(about_to_reboot(), checked);
    assert_eq!(effects, [Effect::Disarm(withdrawn.clone())]);
    let (state, _) = step(state, Event::Disarmed(withdrawn));
    let (_, effects) = step(state, offer(3));
    assert_eq!(
        effects,
        [Effect::Save, Effect::Do(Step::Prepare, version(3))]
    );
}

#[test]
fn a_newer_release_does_not_hold_up_the_reboot_into_the_armed_one() {
    let (_, effects) = step(about_to_reboot(), offer(3));
    assert_eq!(effects, [Effect::Save, Effect::Reboot]);
}

/// A check to which the repository gave no answer.
fn unread(then: Unreachable, at: u64) -> Event {
    let failure = Failure::new(Who::Environment, "nobody answers");
    Event::CheckFailed(failure, Some(Unread { then, at }))
}

#[test]
fn a_reboot_waits_for_the_repository_up_to_the_limit() {
    const HOUR: u64 = 3_600_000;
    let then = Unreachable::Wait { limit: 24 * HOUR };
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let automatic = Event::Asked(Request::Automatic(Goal::Reboot), machine.clone());
    let waiting = Phase::Waiting {
        version: version(2),
        since: HOUR,
        reason: "nobody answers".into(),
        who: Who::Environment,
    };
    let mut state = about_to_reboot();
    for at in [HOUR, 2 * HOUR, 25 * HOUR - 1] {
        let (next, effects) = step(state, unread(then, at));
        assert_eq!(effects, [Effect::Save]);
        assert_eq!(next.phase, waiting);
        // A restart does not make it wait anew.
        state = step(next, Event::Started(machine.clone())).0;
        state = step(state, automatic.clone()).0;
    }
    let (state, effects) = step(state, unread(then, 25 * HOUR));
    let reason =
        "the repository did not say for 24 hours that it may still be booted: nobody answers";
    assert_eq!(effects, [Effect::Disarm(obstacle(reason))]);
    let (state, effects) = step(state, Event::Disarmed(obstacle(reason)));
    assert_eq!(effects, [Effect::Save, Effect::Check]);
    let (state, _) = step(state, unread(then, 25 * HOUR));
    assert!(matches!(state.phase, Phase::Failed(_)), "{:?}", state.phase);
    assert_eq!(state.waits_since, None);
}

#[test]
fn waiting_ends_when_the_repository_answers_and_when_no_reboot_is_wanted_any_more() {
    let then = Unreachable::Wait { limit: 10 };
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let (waiting, _) = step(about_to_reboot(), unread(then, 1));
    let again = Event::Asked(Request::Automatic(Goal::Reboot), machine.clone());
    let (state, _) = step(waiting.clone(), again);
    let (state, effects) = step(state, offer(2));
    assert_eq!(effects, [Effect::Save, Effect::Reboot]);
    assert_eq!(state.waits_since, None);

    let only_arm = Event::Asked(Request::Automatic(Goal::Arm), machine);
    // The clock asked for the reboot, not the operator.
    let by_clock = State {
        applies: false,
        ..waiting
    };
    let (state, effects) = step(by_clock, only_arm);
    assert_eq!(effects, [Effect::Save, Effect::Check]);
    let (state, effects) = step(state, unread(then, 100));
    assert_eq!(effects, [Effect::Save]);
    assert!(matches!(state.phase, Phase::Failed(_)), "{:?}", state.phase);
    assert_eq!(state.waits_since, None);
}

/// An answer ends the wait, whoever asked, and durably: what is remembered of it would shorten the
/// next one.
#[test]
fn a_reboot_waits_anew_once_the_repository_has_answered() {
    let then = Unreachable::Wait { limit: 10 };
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let (waiting, _) = step(about_to_reboot(), unread(then, 1));
    let (state, _) = step(waiting, Event::Asked(Request::Check, machine.clone()));
    let (state, effects) = step(state, offer(2));
    assert_eq!(effects, [Effect::Save]);
    assert_eq!(state.waits_since, None);
    let again = Event::Asked(Request::Automatic(Goal::Reboot), machine);
    let (state, _) = step(state, again);
    let (state, effects) = step(state, unread(then, 100));
    assert_eq!(effects, [Effect::Save]);
    assert_eq!(state.waits_since, Some(100));
}

#[test]
fn a_wait_ends_with_the_entry_of_the_armed_release() {
    let then = Unreachable::Wait { limit: 10 };
    let (waiting, _) = step(about_to_reboot(), unread(then, 1));
    let (state, _) = step(waiting, Event::Started(facts(1, &[(1, None)])));
    assert_eq!(state.waits_since, None);
}

#[test]
fn what_the_operator_applies_is_booted_once_the_repository_answers() {
    let then = Unreachable::Wait { limit: 10 };
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let asked = |request| Event::Asked(request, machine.clone());
    let state = step(State::default(), Event::Started(machine.clone())).0;
    let (state, _) = step(state, asked(Request::Apply));
    let (state, _) = step(state, unread(then, 1));
    // The clock asks as the configuration says, and somebody looks, in vain: it waits all the same.
    let (state, _) = step(state, asked(Request::Check));
    let (state, _) = step(state, unread(then, 2));
    assert_eq!(state.waits_since, Some(1));
    let (state, _) = step(state, asked(Request::Automatic(Goal::Arm)));
    let (state, _) = step(state, unread(then, 3));
    let waiting = |phase: &Phase| matches!(phase, Phase::Waiting { since: 1, .. });
    assert!(waiting(&state.phase), "{:?}", state.phase);
    let (state, _) = step(state, asked(Request::Automatic(Goal::Arm)));
    let (state, effects) = step(state, offer(2));
    assert_eq!(effects, [Effect::Save, Effect::Reboot]);
    assert_eq!((state.waits_since, state.applies), (None, false));
}

#[test]
fn a_restart_in_the_last_look_before_a_reboot_does_not_forget_it() {
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let state = step(State::default(), Event::Started(machine.clone())).0;
    let saved = Saved::of(&state);
    let (state, effects) = step(state, Event::Asked(Request::Apply, machine.clone()));
    let saved = saved.then(&state, &effects);
    let (_, effects) = step(saved.load(), Event::Started(machine));
    assert_eq!(effects, [Effect::Save, Effect::Check]);
}

#[test]
fn what_is_applied_while_it_is_staged_is_not_forgotten_in_a_restart() {
    let machine = facts(1, &[(1, None)]);
    let state = step(State::default(), Event::Started(machine.clone())).0;
    let (state, _) = step(state, Event::Asked(Request::Stage, machine.clone()));
    let (state, effects) = step(state, offer(2));
    let saved = Saved::of(&state).then(&state, &effects);
    let (state, effects) = step(state, Event::Asked(Request::Apply, machine.clone()));
    let saved = saved.then(&state, &effects).load();
    assert_eq!((saved.goal, saved.applies), (Goal::Reboot, true));
    let (state, effects) = step(saved, Event::Started(machine));
    assert_eq!(effects, [Effect::Save, Effect::Check]);
    assert_eq!(state.goal, Goal::Reboot);
}

/// The state file.
struct Saved(String);

impl Saved {
    fn of(state: &State) -> Self {
        Self(serde_json::to_string(state).unwrap())
    }

    /// As it is before the first of `effects` that is more than saving: whatever that is may be cut.
    fn then(self, state: &State, effects: &[Effect]) -> Self {
        match effects.first() {
            Some(Effect::Save) => Self::of(state),
            _ => self,
        }
    }

    fn load(&self) -> State {
        serde_json::from_str(&self.0).unwrap()
    }
}

#[test]
fn who_must_act_on_what_a_reboot_waits_for_is_kept() {
    let then = Unreachable::Wait { limit: 10 };
    for who in [Who::Operator, Who::Environment, Who::Server] {
        let failure = Failure::new(who, "no answer");
        let failed = Event::CheckFailed(failure, Some(Unread { then, at: 1 }));
        let (state, _) = step(about_to_reboot(), failed);
        let waiting = Phase::Waiting {
            version: version(2),
            since: 1,
            reason: "no answer".into(),
            who,
        };
        assert_eq!(Saved::of(&state).load().phase, waiting);
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_reboot_wait_longer() {
    let then = Unreachable::Wait { limit: 10 };
    let again = Event::Asked(
        Request::Automatic(Goal::Reboot),
        facts(1, &[(1, None), (2, Some((3, 0)))]),
    );
    let (state, _) = step(about_to_reboot(), unread(then, 1000));
    let (state, _) = step(state, again.clone());
    let (state, _) = step(state, unread(then, 100));
    assert_eq!(state.waits_since, Some(100));
    let (state, _) = step(state, again);
    let (_, effects) = step(state, unread(then, 110));
    assert!(matches!(effects[..], [Effect::Disarm(_)]), "{effects:?}");
}

#[test]
fn without_the_repository_it_goes_on_where_the_operator_says_so() {
    let (state, effects) = step(about_to_reboot(), unread(Unreachable::Go, 1));
    assert_eq!(effects, [Effect::Save, Effect::Reboot]);
    assert_eq!(state.update.map(|update| update.reboots), Some(1));
    // What is wrong elsewhere than at the repository is no answer to whether it may be booted.
    let failure = Failure::new(Who::Operator, "no server");
    let failed = Event::CheckFailed(failure.clone(), None);
    let (state, effects) = step(about_to_reboot(), failed);
    assert_eq!(effects, [Effect::Save]);
    assert_eq!(state.phase, Phase::Failed(failure));
}
