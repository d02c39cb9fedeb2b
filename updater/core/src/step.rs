//! One event in, the next state and the effects to carry out: the whole of the agent's deciding.

mod ask;
mod check;
mod settle;
mod stage;

use crate::{
    effect::Effect,
    event::Event,
    state::{Failure, Phase, State},
};

/// The state that follows `event`, and what to do, in order.
///
/// An event that does not fit the state (an answer to work that was given up) changes nothing.
#[must_use]
pub fn step(mut state: State, event: Event) -> (State, Vec<Effect>) {
    let effects = match event {
        Event::Started(facts) => settle::started(&mut state, facts),
        Event::Looked(facts) => settle::looked(&mut state, facts),
        Event::Asked(request, facts) => ask::asked(&mut state, request, facts),
        Event::Checked(outcome, obstacle) => check::checked(&mut state, outcome, obstacle),
        Event::CheckFailed(failure, unread) => check::failed(&mut state, failure, unread),
        Event::Disarmed(obstacle) => check::disarmed(&mut state, obstacle),
        Event::Progressed { done, total } => stage::progressed(&mut state, done, total),
        Event::Done(step, took) => stage::done(&mut state, step, took),
        Event::WentBack => went_back(&state),
        Event::Failed(failure) => failed(&mut state, failure),
    };
    state.bound();
    (state, effects)
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
