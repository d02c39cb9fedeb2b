//! A release that proves to be damaged while it is staged keeps the machine from no other one.

use acl_updater_core::{
    effect::{Effect, Step},
    event::{Event, Outcome, Request, Took},
    machine::Facts,
    record::Unfit,
    state::{Failure, Goal, Phase, State, Who},
    step,
};

use crate::{
    decisions::{facts, offer},
    model::version,
};

fn alone() -> Facts {
    facts(1, &[(1, None)])
}

/// What its publisher signed is wrong; or the server has it wrong.
fn unfit(number: u32, since: Option<u64>) -> Unfit {
    Unfit {
        version: version(number),
        manifest: "7".repeat(64),
        reason: "its kernel image boots another release".into(),
        who: Who::Server,
        since,
    }
}

/// Release 3 is being staged because of `request`.
fn staging(request: Request, machine: &Facts) -> State {
    let (state, _) = step(State::default(), Event::Started(machine.clone()));
    let (state, _) = step(state, Event::Asked(request, machine.clone()));
    let (state, effects) = step(state, offer(3));
    assert_eq!(effects[1], Effect::Do(Step::Prepare, version(3)));
    state
}

fn asked(state: State, request: Request) -> State {
    let machine = state.machine.clone();
    step(state, Event::Asked(request, machine)).0
}

#[test]
fn the_rest_of_the_channel_stays_on_offer() {
    for (request, goal) in [
        (Request::Stage, Goal::Arm),
        (Request::Apply, Goal::Reboot),
        (Request::Automatic(Goal::Arm), Goal::Arm),
    ] {
        let state = staging(request, &alone());
        let (state, effects) = step(state, Event::Unfit(unfit(3, None)));
        // What was found is durable before another release is looked for.
        assert_eq!(effects, [Effect::Save, Effect::Check], "{request:?}");
        assert_eq!((&state.phase, state.goal), (&Phase::Checking, goal));
        assert_eq!(state.unfit, [unfit(3, None)]);
        assert_eq!(state.update, None);
        let (state, effects) = step(state, offer(2));
        let prepare = Effect::Do(Step::Prepare, version(2));
        assert_eq!(effects, [Effect::Save, prepare], "{request:?}");
        assert_eq!(state.unfit, [unfit(3, None)]);
    }
}

#[test]
fn it_is_found_at_every_step_and_of_no_other_release() {
    let mut state = staging(Request::Stage, &alone());
    let mut steps = 0;
    loop {
        let (other, effects) = step(state.clone(), Event::Unfit(unfit(4, None)));
        assert_eq!((other, effects), (state.clone(), Vec::new()));
        let (found, effects) = step(state.clone(), Event::Unfit(unfit(3, None)));
        assert_eq!(effects, [Effect::Save, Effect::Check]);
        assert_eq!(found.unfit, [unfit(3, None)]);
        let (Phase::Staging { step: now, .. } | Phase::Staged { step: now, .. }) = state.phase
        else {
            break;
        };
        steps += 1;
        if now == Step::Arm {
            break;
        }
        state = step(state, Event::Done(now, Took::default())).0;
    }
    assert_eq!(steps, 8);
    // Nothing is staged.
    let (idle, _) = step(State::default(), Event::Started(alone()));
    let (after, effects) = step(idle.clone(), Event::Unfit(unfit(3, None)));
    assert_eq!((after, effects), (idle, Vec::new()));
}

#[test]
fn what_was_armed_before_stays_armed_with_its_update() {
    let machine = facts(1, &[(1, None), (2, Some((3, 0)))]);
    let state = staging(Request::Stage, &machine);
    let (state, _) = step(state, Event::Unfit(unfit(3, None)));
    let update = state.update.clone().unwrap();
    assert_eq!((update.from, update.to), (version(1), version(2)));
    assert!(update.armed);
    let (state, effects) = step(state, offer(2));
    assert_eq!(effects, [Effect::Save]);
    let armed = Phase::Armed {
        version: version(2),
    };
    assert_eq!(state.phase, armed);
    // It proves itself, and that is noticed.
    let proven = Facts {
        running: version(2),
        ..facts(1, &[(1, None), (2, None)])
    };
    let (state, _) = step(state, Event::Started(proven));
    let committed = Phase::Committed {
        from: version(1),
        to: version(2),
    };
    assert_eq!(state.phase, committed);
}

/// A state in which release 3 is known to be damaged, both ways, and 2 was taken or not.
fn known(takes_another: bool) -> State {
    let state = staging(Request::Stage, &alone());
    let (state, _) = step(state, Event::Unfit(unfit(3, None)));
    let mut state = match takes_another {
        true => step(state, offer(2)).0,
        false => step(state, wrong()).0,
    };
    state.phase = Phase::Idle;
    state.unfit.push(unfit(4, Some(7)));
    state
}

fn wrong() -> Event {
    let outcome = Outcome::Nothing {
        reason: "3 is passed over".into(),
        verdicts: vec!["3 is passed over".into()],
        at_fault: Some(Who::Server),
    };
    Event::Checked(outcome, None)
}

#[test]
fn who_asks_for_it_by_hand_has_it_tried_again() {
    let both = vec![unfit(3, None), unfit(4, Some(7))];
    for (request, takes_another, left) in [
        (Request::Stage, true, vec![]),
        (Request::Apply, true, vec![]),
        (Request::Retry(Goal::Check), true, vec![]),
        // A monitor must not make a node fetch the same again and again.
        (Request::Check, true, both.clone()),
        (Request::Check, false, both.clone()),
        (Request::Automatic(Goal::Check), false, both.clone()),
        (Request::Automatic(Goal::Arm), true, both.clone()),
        (Request::Automatic(Goal::Reboot), true, both),
        // Nothing else is there to take, and the server may have mended it.
        (Request::Automatic(Goal::Arm), false, vec![unfit(3, None)]),
        (
            Request::Automatic(Goal::Reboot),
            false,
            vec![unfit(3, None)],
        ),
    ] {
        let state = asked(known(takes_another), request);
        assert_eq!(state.phase, Phase::Checking, "{request:?}");
        assert_eq!(state.unfit, left, "{request:?}, {takes_another}");
    }
}

#[test]
fn a_request_while_another_is_under_way_forgets_nothing() {
    for request in [Request::Stage, Request::Apply] {
        let mut state = known(true);
        state.phase = Phase::Checking;
        let state = asked(state, request);
        assert_eq!(state.unfit.len(), 2, "{request:?}");
    }
}

#[test]
fn a_release_that_is_offered_again_is_not_damaged_any_more() {
    let state = asked(known(true), Request::Check);
    let (state, _) = step(state, offer(3));
    assert_eq!(state.unfit, [unfit(4, Some(7))]);
}

#[test]
fn what_is_found_twice_is_kept_once() {
    let state = asked(known(true), Request::Automatic(Goal::Arm));
    let (mut state, _) = step(state, offer(3));
    for since in [Some(5), None] {
        state.phase = Phase::Staged {
            version: version(3),
            step: Step::Recheck,
        };
        state = step(state, Event::Unfit(unfit(3, since))).0;
        assert_eq!(state.unfit, [unfit(4, Some(7)), unfit(3, since)]);
    }
}

/// Else the oldest verdict would be forgotten, its release be tried again, and so on without a pause.
#[test]
fn after_many_damaged_releases_the_agent_comes_to_rest() {
    let mut state = staging(Request::Stage, &alone());
    let mut number = 3;
    loop {
        let (next, effects) = step(state, Event::Unfit(unfit(number, None)));
        state = next;
        if effects != [Effect::Save, Effect::Check] {
            assert_eq!(effects, [Effect::Save]);
            break;
        }
        number += 1;
        assert!(number < 100, "it goes on and on");
        state = step(state, offer(number)).0;
    }
    let failure = Failure::new(Who::Server, unfit(number, None).reason);
    assert_eq!(state.phase, Phase::Failed(failure));
    // None was forgotten.
    let known: Vec<_> = state
        .unfit
        .iter()
        .map(|unfit| unfit.version.clone())
        .collect();
    assert_eq!(known, (3..number).map(version).collect::<Vec<_>>());
    assert_eq!(known.len(), 32);
}

#[test]
fn nothing_to_take_because_of_a_damaged_release_is_a_failure() {
    let state = asked(known(true), Request::Check);
    assert_eq!(state.failure(), None);
    let (state, _) = step(state, wrong());
    // What runs is not touched by that.
    assert_eq!(state.phase, Phase::Idle);
    let failure = Failure::new(Who::Server, "3 is passed over");
    assert_eq!(state.failure(), Some(failure));
    let state = asked(state, Request::Check);
    let (state, _) = step(state, offer(2));
    assert_eq!(state.failure(), None);
}

#[test]
fn it_is_remembered_over_a_restart() {
    let state = known(true);
    let text = serde_json::to_string(&state).unwrap();
    let read: State = serde_json::from_str(&text).unwrap();
    let (state, _) = step(read, Event::Started(alone()));
    assert_eq!(state.unfit, [unfit(3, None), unfit(4, Some(7))]);
}
