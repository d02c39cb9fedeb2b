//! Single decisions, each with its exact result.

use acl_updater_core::{
    effect::{Effect, Step},
    event::{Event, Offer, Outcome, Request, Took},
    machine::{Entry, Facts, Health, Tries},
    record,
    state::{Failure, Goal, Phase, State, Who},
    step,
};

use crate::model::version;

pub(crate) fn facts(running: u32, entries: &[(u32, Option<(u32, u32)>)]) -> Facts {
    Facts {
        running: version(running),
        entries: entries
            .iter()
            .map(|(v, tries)| Entry {
                version: version(*v),
                tries: tries.map(|(left, done)| Tries { left, done }),
            })
            .collect(),
        health: None,
        at: 0,
    }
}

pub(crate) fn offer(number: u32) -> Event {
    let offer = Offer {
        version: version(number),
        reason: "newest".into(),
        verdicts: Vec::new(),
        bytes: 10,
        packages: Vec::new(),
    };
    Event::Checked(Outcome::Offer(offer), None)
}

/// Feed `events` to a fresh agent; what the last one leads to.
pub(crate) fn play(events: impl IntoIterator<Item = Event>) -> (State, Vec<Effect>) {
    let start = (State::default(), Vec::new());
    events
        .into_iter()
        .fold(start, |(state, _), event| step(state, event))
}

pub(crate) fn armed() -> State {
    let machine = facts(1, &[(1, None)]);
    let steps = [
        Step::Prepare,
        Step::Disarm,
        Step::Write,
        Step::Flush,
        Step::ReadBack,
        Step::Name,
        Step::Recheck,
        Step::Arm,
    ];
    let mut events = vec![
        Event::Started(machine.clone()),
        Event::Asked(Request::Stage, machine),
        offer(2),
    ];
    events.extend(steps.map(|s| Event::Done(s, Took::default())));
    play(events).0
}

#[test]
fn the_steps_come_in_their_order_each_after_the_one_before() {
    let machine = facts(1, &[(1, None)]);
    let (mut state, mut effects) = play([
        Event::Started(machine.clone()),
        Event::Asked(Request::Apply, machine),
        offer(2),
    ]);
    let mut seen = Vec::new();
    while let Some(Effect::Do(now, _)) = effects.last().cloned() {
        seen.push((now.name(), effects.contains(&Effect::Save)));
        (state, effects) = step(state, Event::Done(now, Took::default()));
    }
    let expected = [
        ("prepare", true),
        ("disarm", false),
        ("write", false),
        ("flush", false),
        ("read-back", false),
        ("name", false),
        ("recheck", true),
        ("arm", true),
    ];
    assert_eq!(seen, expected);
    assert_eq!(effects, [Effect::Save, Effect::Check]);
    let (state, effects) = step(state, offer(2));
    assert_eq!(effects, [Effect::Save, Effect::Reboot]);
    assert_eq!(
        state.phase,
        Phase::Armed {
            version: version(2)
        }
    );
}

#[test]
fn an_answer_out_of_turn_changes_nothing() {
    let machine = facts(1, &[(1, None)]);
    let (before, _) = play([
        Event::Started(machine.clone()),
        Event::Asked(Request::Apply, machine),
        offer(2),
    ]);
    for stray in [
        Event::Done(Step::Arm, Took::default()),
        offer(3),
        Event::WentBack,
    ] {
        let (state, effects) = step(before.clone(), stray);
        assert_eq!((state, effects), (before.clone(), Vec::new()));
    }
}

#[test]
fn a_trial_ends_in_a_commit_when_the_counter_is_dropped() {
    let (on_trial, _) = step(
        armed(),
        Event::Started(facts(2, &[(1, None), (2, Some((2, 1)))])),
    );
    assert_eq!(
        on_trial.phase,
        Phase::OnTrial {
            from: Some(version(1)),
            to: version(2)
        }
    );
    let (state, effects) = step(on_trial, Event::Looked(facts(2, &[(1, None), (2, None)])));
    assert_eq!(
        state.phase,
        Phase::Committed {
            from: version(1),
            to: version(2)
        }
    );
    assert_eq!(effects, [Effect::Save]);
    assert_eq!(state.update, None);
}

fn on_trial() -> State {
    let machine = facts(2, &[(1, None), (2, Some((2, 1)))]);
    step(armed(), Event::Started(machine)).0
}

#[test]
fn a_trial_is_disturbed_neither_by_requests_nor_by_the_clock() {
    let trial = on_trial();
    let reason = "release 2 is on trial; wait until it is committed, or go back with a rollback";
    let refused = vec![Effect::Refuse(Failure::new(Who::Operator, reason))];
    let cases = [
        (Request::Check, refused.clone()),
        (Request::Stage, refused.clone()),
        (Request::Apply, refused.clone()),
        (Request::Retry(Goal::Check), refused.clone()),
        (Request::Retry(Goal::Reboot), refused),
        (Request::Automatic(Goal::Check), Vec::new()),
        (Request::Automatic(Goal::Arm), Vec::new()),
        (Request::Automatic(Goal::Reboot), Vec::new()),
    ];
    for (request, expected) in cases {
        let asked = Event::Asked(request, trial.machine.clone());
        let (state, effects) = step(trial.clone(), asked);
        assert_eq!(effects, expected, "{request:?}");
        assert_eq!(state, trial, "{request:?}");
    }
}

#[test]
fn a_commit_is_noticed_whatever_else_failed_meanwhile() {
    let broken = Event::Failed(Failure::new(Who::Environment, "the disk is slow"));
    let (state, _) = step(on_trial(), broken);
    assert!(state.watches_trial());
    let proven = facts(2, &[(1, None), (2, None)]);
    let (state, effects) = step(state, Event::Looked(proven));
    assert_eq!(effects, [Effect::Save]);
    assert!(matches!(state.phase, Phase::Committed { .. }));
    assert_eq!(state.history.len(), 1);
    assert!(!state.watches_trial());
}

#[test]
fn a_request_right_after_a_trial_does_not_lose_its_outcome() {
    let proven = facts(2, &[(1, None), (2, None)]);
    for request in [Request::Stage, Request::Automatic(Goal::Arm)] {
        let (state, effects) = step(on_trial(), Event::Asked(request, proven.clone()));
        assert_eq!(effects, [Effect::Save, Effect::Check], "{request:?}");
        assert_eq!(state.history.len(), 1);
        let (state, _) = step(state, offer(3));
        let update = state.update.expect("an update was begun");
        assert_eq!(update.from, version(2));
        assert_eq!(state.history[0].outcome, record::Outcome::Committed);
    }
}

#[test]
fn a_release_that_was_not_healthy_is_remembered_with_the_reasons() {
    let mut machine = facts(1, &[(1, None), (2, Some((0, 1)))]);
    machine.health = Some(Health {
        version: version(2),
        healthy: false,
        reasons: vec!["containerd does not answer".into()],
    });
    let (state, _) = step(armed(), Event::Started(machine));
    let reason = "it was not healthy: containerd does not answer".to_owned();
    let rolled_back = Phase::RolledBack {
        from: version(2),
        to: version(1),
        reason: reason.clone(),
    };
    assert_eq!(state.phase, rolled_back);
    assert_eq!(
        state.refused,
        [record::Refused {
            version: version(2),
            reason
        }]
    );
}

#[test]
fn used_up_tries_count_as_a_failed_trial_even_without_a_state() {
    let (state, _) = play([Event::Started(facts(1, &[(1, None), (2, Some((0, 3)))]))]);
    assert_eq!(
        state.phase,
        Phase::RolledBack {
            from: version(2),
            to: version(1),
            reason: "it was tried 3 times and never came up to say that it is healthy".into()
        }
    );
}

#[test]
fn a_failed_release_is_not_taken_again_but_a_newer_one_is() {
    let machine = facts(1, &[(1, None), (2, Some((0, 3)))]);
    let ask = Event::Asked(Request::Apply, machine.clone());
    let (state, effects) = play([Event::Started(machine), ask.clone(), offer(2)]);
    assert_eq!(effects, [Effect::Save]);
    assert!(matches!(state.phase, Phase::RolledBack { .. }));
    let (state, _) = step(state, ask.clone());
    let (state, effects) = step(state, offer(2));
    assert_eq!(effects, [], "nothing new is to be written down");
    let decision = state.decision.clone().expect("a decision");
    assert_eq!(decision.version, None);
    assert_eq!(
        decision.reason,
        "2 is the newest release, but it was tried 3 times and never came up to say that it is healthy; \
         waiting for a newer one or a retry"
    );
    let (state, _) = step(state, ask);
    let (_, effects) = step(state, offer(3));
    assert_eq!(
        effects,
        [Effect::Save, Effect::Do(Step::Prepare, version(3))]
    );
}

#[test]
fn retry_forgets_and_is_not_undone_by_a_restart() {
    let machine = facts(1, &[(1, None), (2, Some((0, 3)))]);
    let (state, effects) = play([
        Event::Started(machine.clone()),
        Event::Asked(Request::Retry(Goal::Arm), machine.clone()),
    ]);
    assert_eq!(effects, [Effect::Save, Effect::Check]);
    let (state, _) = step(state, Event::Started(machine.clone()));
    assert_eq!(state.refused, []);
    let (state, _) = step(state, Event::Asked(Request::Stage, machine));
    let (_, effects) = step(state, offer(2));
    assert_eq!(
        effects,
        [Effect::Save, Effect::Do(Step::Prepare, version(2))]
    );
}

#[test]
fn a_boot_loader_that_never_tries_the_armed_release_does_not_keep_the_machine_rebooting() {
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let automatic = Event::Asked(Request::Automatic(Goal::Reboot), machine.clone());
    let mut state = armed();
    for _ in 0..3 {
        let (next, effects) = step(state, automatic.clone());
        assert_eq!(effects, [Effect::Check]);
        let (next, effects) = step(next, offer(2));
        assert_eq!(effects, [Effect::Save, Effect::Reboot]);
        state = step(next, Event::Started(machine.clone())).0;
    }
    let (state, _) = step(state, automatic);
    let (state, effects) = step(state, offer(2));
    assert_eq!(effects, [Effect::Save]);
    assert!(matches!(&state.phase, Phase::Failed(f) if f.who == Who::Environment));
    let (state, _) = step(state, Event::Asked(Request::Apply, machine));
    let (_, effects) = step(state, offer(2));
    assert_eq!(effects, [Effect::Save, Effect::Reboot]);
}

#[test]
fn rollback_is_remembered_before_the_entry_is_touched() {
    let machine = facts(2, &[(1, None), (2, None)]);
    let (state, effects) = play([
        Event::Started(machine.clone()),
        Event::Asked(Request::Rollback, machine),
    ]);
    assert_eq!(effects, [Effect::Save, Effect::MarkBad(version(2))]);
    let (state, effects) = step(state, Event::WentBack);
    assert_eq!(effects, [Effect::Reboot]);
    let (state, _) = step(
        state,
        Event::Started(facts(1, &[(1, None), (2, Some((0, 1)))])),
    );
    assert_eq!(
        state.phase,
        Phase::RolledBack {
            from: version(2),
            to: version(1),
            reason: "the operator went back from it".into()
        }
    );
}

#[test]
fn a_check_that_fails_does_not_undo_a_rollback_asked_for_meanwhile() {
    let machine = facts(2, &[(1, None), (2, None)]);
    let (checking, _) = play([
        Event::Started(machine.clone()),
        Event::Asked(Request::Check, machine.clone()),
    ]);
    let failure = Failure::new(Who::Server, "unreachable");
    let (state, effects) = step(checking.clone(), Event::CheckFailed(failure.clone(), None));
    assert_eq!(effects, [Effect::Save]);
    assert_eq!(state.phase, Phase::Failed(failure.clone()));

    let (back, effects) = step(checking, Event::Asked(Request::Rollback, machine));
    assert_eq!(effects, [Effect::Save, Effect::MarkBad(version(2))]);
    let (state, effects) = step(back.clone(), Event::CheckFailed(failure, None));
    assert_eq!((state, effects), (back, Vec::new()));
}

#[test]
fn what_cannot_be_gone_back_to_is_refused_with_the_reason() {
    let cases = [
        (
            facts(1, &[(1, None)]),
            "there is no boot entry of an older release to go back to",
        ),
        (
            facts(1, &[(1, None), (2, Some((3, 0)))]),
            "the other slot holds 2, which is armed and not tried yet; there is no older release to go back to",
        ),
        (
            facts(1, &[(1, None), (2, Some((0, 3)))]),
            "the other slot holds 2, but it was tried 3 times and never came up to say that it is healthy; \
             there is no older release to go back to",
        ),
        (
            facts(1, &[(1, None), (2, Some((0, 0)))]),
            "the other slot holds 2, but its boot entry was marked as failed; there is no older release to go back to",
        ),
    ];
    for (machine, reason) in cases {
        let (_, effects) = play([
            Event::Started(machine.clone()),
            Event::Asked(Request::Rollback, machine),
        ]);
        assert_eq!(
            effects,
            [Effect::Refuse(Failure::new(Who::Operator, reason))]
        );
    }
}

#[test]
fn the_other_slot_is_not_touched_while_the_running_release_could_not_boot_alone() {
    let missing = facts(1, &[(2, None)]);
    let (state, effects) = play([
        Event::Started(missing.clone()),
        Event::Asked(Request::Stage, missing),
        offer(3),
    ]);
    assert_eq!(effects, [Effect::Save]);
    assert!(
        matches!(&state.phase, Phase::Failed(f) if f.who == Who::Operator),
        "{:?}",
        state.phase
    );

    let trial = facts(2, &[(1, None), (2, Some((2, 1)))]);
    let (_, effects) = play([
        Event::Started(trial.clone()),
        Event::Asked(Request::Stage, trial),
    ]);
    assert!(matches!(&effects[..], [Effect::Refuse(_)]), "{effects:?}");
}

#[test]
fn an_interrupted_staging_is_begun_again_at_start() {
    let machine = facts(1, &[(1, None)]);
    let (state, _) = play([
        Event::Started(machine.clone()),
        Event::Asked(Request::Apply, machine.clone()),
        offer(2),
        Event::Done(Step::Prepare, Took::default()),
    ]);
    let (state, effects) = step(state, Event::Started(machine));
    assert_eq!(effects, [Effect::Save, Effect::Check]);
    assert_eq!(state.goal, Goal::Reboot);
}

#[test]
fn the_state_is_the_same_after_writing_and_reading_it() {
    let state = armed();
    let text = serde_json::to_string(&state).expect("a document");
    let mut read: State = serde_json::from_str(&text).expect("the state");
    read.machine = state.machine.clone();
    assert_eq!(read, state);
    assert!(
        text.starts_with(r#"{"state":{"name":"armed","version":"2"},"goal":"arm""#),
        "{text}"
    );
}

#[test]
fn a_trial_whose_entry_is_gone_is_not_committed_until_there_is_a_proven_one() {
    let state = armed();
    let on_trial = facts(2, &[(1, None), (2, Some((2, 1)))]);
    let (state, _) = step(state, Event::Started(on_trial));
    let (state, _) = step(state, Event::Looked(facts(2, &[(1, None)])));
    assert_eq!(state.history, []);
    assert!(state.update.is_some());
    let (state, _) = step(state, Event::Started(facts(2, &[(1, None), (2, None)])));
    assert!(matches!(state.phase, Phase::Committed { .. }));
}

#[test]
fn after_a_damaged_state_nothing_is_taken_automatically_until_a_retry() {
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let damaged = State {
        damage: Some("state.json was damaged".into()),
        ..State::default()
    };
    let (state, _) = step(damaged, Event::Started(machine.clone()));
    let automatic = Event::Asked(Request::Automatic(Goal::Reboot), machine.clone());
    let (state, effects) = step(state, automatic.clone());
    assert_eq!(effects, [Effect::Check]);
    let (state, effects) = step(state, offer(3));
    assert_eq!(effects, []);
    assert_eq!(
        state.phase,
        Phase::Available {
            version: version(3)
        }
    );
    let (state, effects) = step(state, Event::Asked(Request::Retry(Goal::Arm), machine));
    assert_eq!(state.damage, None);
    assert_eq!(effects, [Effect::Save, Effect::Check]);
    let (_, effects) = step(state, offer(3));
    assert_eq!(
        effects,
        [Effect::Save, Effect::Do(Step::Prepare, version(3))]
    );
}
