//! A decision is of the release that ran and the time when it was made, and of no other.

use acl_updater_core::{
    Version,
    effect::Effect,
    event::{Event, Obstacle, Outcome, Request},
    machine::{Entry, Facts, Tries},
    state::{Decided, State},
    step,
};

fn facts(running: &str, at: u64) -> Facts {
    Facts {
        running: Version::new(running),
        entries: vec![Entry {
            version: Version::new(running),
            tries: None,
        }],
        health: None,
        at,
    }
}

fn nothing(reason: &str) -> Event {
    Event::Checked(
        Outcome::Nothing {
            reason: reason.into(),
            verdicts: Vec::new(),
            at_fault: None,
        },
        None,
    )
}

/// Ask `running` at `at` to check, and let it find nothing. What is to be done, too.
fn checked(state: State, running: &str, at: u64) -> (State, Vec<Effect>) {
    let (state, _) = step(state, Event::Asked(Request::Check, facts(running, at)));
    step(state, nothing(&format!("{running} runs already")))
}

/// The reason and on what it was decided.
fn decision(state: &State) -> Option<(&str, &str, u64)> {
    let reason = state.decision.as_ref().map(|decision| &decision.reason);
    let Some(Decided { release, at }) = &state.decided else {
        assert_eq!(reason, None);
        return None;
    };
    Some((reason.unwrap(), release.as_str(), *at))
}

/// The state as the next start of the agent reads it.
fn restarted(state: &State) -> State {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}

#[test]
fn a_decision_carries_the_release_and_the_time() {
    let (state, effects) = checked(State::default(), "1.1.0", 5000);
    assert_eq!(
        decision(&state),
        Some(("1.1.0 runs already", "1.1.0", 5000))
    );
    assert_eq!(effects, [Effect::Save]);
    // The same decision once more is of a later time, and is not written down for that.
    let (state, effects) = checked(state, "1.1.0", 6000);
    assert_eq!(
        decision(&state),
        Some(("1.1.0 runs already", "1.1.0", 6000))
    );
    assert_eq!(effects, []);
    let (state, _) = step(restarted(&state), Event::Started(facts("1.1.0", 7000)));
    assert_eq!(
        decision(&state),
        Some(("1.1.0 runs already", "1.1.0", 6000))
    );
}

#[test]
fn a_decision_of_another_release_is_dropped() {
    let (state, _) = checked(State::default(), "1.1.0", 5000);
    type Look = fn(Facts) -> Event;
    let looks: [Look; 3] = [Event::Started, Event::Looked, |facts| {
        Event::Asked(Request::Check, facts)
    }];
    for look in looks {
        let (state, _) = step(restarted(&state), look(facts("1.0.0", 6000)));
        assert_eq!(decision(&state), None);
    }
}

#[test]
fn a_decision_of_a_time_to_come_is_dropped() {
    let (state, _) = checked(State::default(), "1.1.0", 5000);
    let (state, _) = step(restarted(&state), Event::Started(facts("1.1.0", 4999)));
    assert_eq!(decision(&state), None);
}

/// As older agents kept it.
#[test]
fn a_decision_that_does_not_say_on_what_is_dropped() {
    let (mut state, _) = checked(State::default(), "1.1.0", 5000);
    state.decided = None;
    let (state, _) = step(restarted(&state), Event::Started(facts("1.1.0", 6000)));
    assert_eq!(decision(&state), None);
}

/// What there is instead of the armed release is found by another check: that one decides.
#[test]
fn a_check_that_leads_to_another_decides_nothing() {
    let (state, _) = checked(State::default(), "1.1.0", 5000);
    let version = Version::new("1.2.0");
    let mut armed = facts("1.1.0", 6000);
    armed.entries.push(Entry {
        version: version.clone(),
        tries: Some(Tries { left: 3, done: 0 }),
    });
    let (state, _) = step(state, Event::Asked(Request::Check, armed));
    let Event::Checked(outcome, _) = nothing("1.2.0 was withdrawn") else {
        panic!("it is an answer");
    };
    let obstacle = Obstacle {
        version,
        reason: "it was withdrawn".into(),
    };
    let (state, effects) = step(state, Event::Checked(outcome, Some(obstacle.clone())));
    assert_eq!(effects, [Effect::Disarm(obstacle)]);
    let before = Some(("1.1.0 runs already", "1.1.0", 5000));
    assert_eq!(decision(&state), before);
}

#[test]
fn a_check_under_way_leaves_the_decision_before_it() {
    let (state, _) = checked(State::default(), "1.1.0", 5000);
    let asked = Event::Asked(Request::Check, facts("1.1.0", 6000));
    let (state, _) = step(state, asked);
    assert_eq!(
        decision(&state),
        Some(("1.1.0 runs already", "1.1.0", 5000))
    );
}
