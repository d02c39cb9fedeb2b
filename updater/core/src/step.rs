//! One event in, the next state and the effects to carry out: the whole of the agent's deciding.

mod ask;
mod check;
mod settle;
mod stage;

use crate::{
    effect::Effect,
    event::Event,
    state::{Decided, Failure, Phase, State},
};

/// The state that follows `event`, and what to do, in order.
///
/// An event that does not fit the state (an answer to work that was given up) changes nothing.
#[must_use]
pub fn step(mut state: State, event: Event) -> (State, Vec<Effect>) {
    let has_facts = matches!(
        event,
        Event::Started(_) | Event::Looked(_) | Event::Asked(..)
    );
    let is_answer = state.phase == Phase::Checking && matches!(event, Event::Checked(..));
    let effects = match event {
        Event::Started(facts) => settle::started(&mut state, facts),
        Event::Looked(facts) => settle::looked(&mut state, facts),
        Event::Asked(request, facts) => ask::asked(&mut state, request, facts),
        Event::Checked(outcome, obstacle) => check::checked(&mut state, outcome, obstacle),
        Event::CheckFailed(failure, unread) => check::failed(&mut state, failure, unread),
        Event::Disarmed(obstacle) => check::disarmed(&mut state, obstacle),
        Event::Progressed { done, total } => stage::progressed(&mut state, done, total),
        Event::Done(step, took) => stage::done(&mut state, step, took),
        Event::Unfit(unfit) => stage::unfit(&mut state, unfit),
        Event::WentBack => went_back(&state),
        Event::Failed(failure) => failed(&mut state, failure),
    };
    if has_facts {
        forget_decision_of_another_release(&mut state);
    }
    // One that only leads to another check decides nothing.
    if is_answer && state.phase != Phase::Checking {
        state.decided = Some(Decided {
            release: state.machine.running.clone(),
            at: state.machine.at,
        });
    }
    state.bound();
    (state, effects)
}

/// "1.1.0 runs already" must not be shown once the machine went back to 1.0.0, nor with a time that is still to come.
fn forget_decision_of_another_release(state: &mut State) {
    let machine = &state.machine;
    let holds = |decided: &Decided| decided.release == machine.running && decided.at <= machine.at;
    if !state.decided.as_ref().is_some_and(holds) {
        state.decision = None;
        state.decided = None;
    }
}

fn went_back(state: &State) -> Vec<Effect> {
    match state.phase {
        Phase::GoingBack { .. } => vec![Effect::Reboot],
        _ => Vec::new(),
    }
}

fn failed(state: &mut State, failure: Failure) -> Vec<Effect> {
    state.phase = Phase::Failed(failure);
    vec![Effect::Save]
}
