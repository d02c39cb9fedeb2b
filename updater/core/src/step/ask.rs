//! What someone asks for: how far to go, going back, trying again.

use super::settle;
use crate::{
    effect::Effect,
    event::Request,
    machine::Facts,
    record::Refused,
    state::{Failure, Goal, Phase, State, Who},
};

/// A request came in.
pub(super) fn asked(state: &mut State, request: Request, facts: Facts) -> Vec<Effect> {
    let automatic = matches!(request, Request::Automatic(_));
    if automatic && (state.is_busy() || state.is_going_back()) {
        return Vec::new();
    }
    // The trial may have ended since it was looked at last.
    let mut effects = settle::looked(state, facts);
    match request {
        Request::Automatic(_) if state.watches_trial() => {}
        Request::Rollback => effects.extend(rollback(state)),
        _ if state.watches_trial() => effects.extend(refuse(on_trial(state))),
        _ => effects.extend(answer(state, request)),
    }
    effects
}

fn answer(state: &mut State, request: Request) -> Vec<Effect> {
    match request {
        Request::Automatic(goal) => automatic(state, goal),
        Request::Check => go(state, Goal::Check),
        Request::Stage => stage(state),
        Request::Apply => apply(state),
        Request::Rollback => rollback(state),
        Request::Retry(goal) => retry(state, goal),
    }
}

fn automatic(state: &mut State, goal: Goal) -> Vec<Effect> {
    let takes_another = state.decision.as_ref().is_some_and(|d| d.version.is_some());
    if goal > Goal::Check && !takes_another {
        // What the server may have mended keeps the machine from everything, so it is looked at again.
        state.unfit.retain(|unfit| unfit.since.is_none());
    }
    if state.applies && state.waits_since.is_some() {
        return go(state, Goal::Reboot);
    }
    state.applies = false;
    // A release that failed here may be on offer again, and that it failed may have been forgotten.
    let most = state.damage.as_ref().map_or(Goal::Reboot, |_| Goal::Check);
    if goal == Goal::Reboot {
        return go(state, goal.min(most));
    }
    // Nobody wants the reboot any more. Remembered, it would shorten the next wait.
    let waited = state.waits_since.take();
    let mut effects: Vec<_> = waited.map(|_| Effect::Save).into_iter().collect();
    effects.extend(go(state, goal.min(most)));
    effects
}

/// Begin a check that leads as far as `goal`.
pub(super) fn check(state: &mut State, goal: Goal) -> Vec<Effect> {
    state.goal = goal;
    state.phase = Phase::Checking;
    vec![Effect::Check]
}

fn on_trial(state: &State) -> String {
    format!(
        "release {} is on trial; wait until it is committed, or go back with a rollback",
        state.machine.running
    )
}

fn go(state: &mut State, goal: Goal) -> Vec<Effect> {
    if let Phase::GoingBack { to, .. } = &state.phase {
        let reason = format!("the machine is about to reboot into {to}");
        return refuse(reason);
    }
    if state.is_busy() {
        state.goal = state.goal.max(goal);
        return Vec::new();
    }
    check(state, goal)
}

fn stage(state: &mut State) -> Vec<Effect> {
    try_damaged_again(state);
    go(state, Goal::Arm)
}

/// Who asks by hand wants each release tried again, whatever was found before.
fn try_damaged_again(state: &mut State) {
    if !state.is_busy() {
        state.unfit.clear();
    }
}

fn apply(state: &mut State) -> Vec<Effect> {
    try_damaged_again(state);
    if let Some(update) = &mut state.update {
        update.reboots = 0;
    }
    state.applies = true;
    let mut effects = go(state, Goal::Reboot);
    // Else a restart forgets it.
    if !state.is_going_back() {
        effects.insert(0, Effect::Save);
    }
    effects
}

fn rollback(state: &mut State) -> Vec<Effect> {
    if matches!(state.phase, Phase::Staging { .. } | Phase::Staged { .. }) {
        return refuse(
            "an update is being staged over the older release; there is nothing to go back to",
        );
    }
    let Some(to) = state.machine.fallback().cloned() else {
        return refuse(no_fallback(state));
    };
    let from = state.machine.running.clone();
    if state.refusal(&from).is_none() {
        state.refused.push(Refused {
            version: from.clone(),
            reason: "the operator went back from it".into(),
        });
    }
    (state.waits_since, state.applies) = (None, false);
    state.phase = Phase::GoingBack {
        from: from.clone(),
        to,
    };
    vec![Effect::Save, Effect::MarkBad(from)]
}

fn no_fallback(state: &State) -> String {
    match (state.machine.armed(), state.machine.bad()) {
        (Some(armed), _) => format!(
            "the other slot holds {armed}, which is armed and not tried yet; there is no older release to go back to"
        ),
        (None, Some(bad)) => format!(
            "the other slot holds {}, but {}; there is no older release to go back to",
            bad.version,
            settle::why_bad(state, bad)
        ),
        (None, None) => "there is no boot entry of an older release to go back to".into(),
    }
}

fn retry(state: &mut State, goal: Goal) -> Vec<Effect> {
    if state.is_busy() {
        return refuse("an update is under way; retry when it has ended");
    }
    if state.is_going_back() {
        return go(state, goal);
    }
    state.refused.clear();
    state.unfit.clear();
    state.damage = None;
    let mut effects = vec![Effect::Save];
    effects.extend(go(state, goal));
    effects
}

fn refuse(reason: impl Into<String>) -> Vec<Effect> {
    vec![Effect::Refuse(Failure::new(Who::Operator, reason))]
}
