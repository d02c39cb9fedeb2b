//! What the machine says at start: on trial, committed, gone back, or half-way and to be done again.

use super::ask;
use crate::{
    Version,
    effect::Effect,
    machine::{Entry, Facts},
    record::{Cost, Outcome, Record, Refused},
    state::{Goal, Phase, State},
};

/// The agent started.
pub(super) fn started(state: &mut State, facts: Facts) -> Vec<Effect> {
    state.machine = facts;
    if let Some(effects) = still_going_back(state) {
        return effects;
    }
    let interrupted = match state.phase {
        Phase::Staging { .. } | Phase::Staged { .. } => true,
        // The last look before the reboot that the operator asked for.
        Phase::Checking => state.applies && state.machine.armed().is_some(),
        _ => false,
    };
    if state.machine.armed().is_none() {
        state.waits_since = None;
    }
    settle(state);
    state.phase = rest(state);
    let mut effects = vec![Effect::Save];
    let goes_on = match state.phase {
        Phase::OnTrial { .. } => false,
        // It was armed before the agent could say so.
        Phase::Armed { .. } => state.goal == Goal::Reboot,
        _ => true,
    };
    if interrupted && goes_on {
        effects.extend(ask::check(state, state.goal));
    }
    effects
}

/// The machine was looked at again: a trial may have come to its end.
pub(super) fn looked(state: &mut State, facts: Facts) -> Vec<Effect> {
    let watched = state.watches_trial();
    state.machine = facts;
    // Whatever the phase: a failure meanwhile must not hide the trial's end.
    if !watched || state.machine.on_trial() {
        return Vec::new();
    }
    settle(state);
    state.phase = rest(state);
    vec![Effect::Save]
}

/// The phase of a machine on which nothing is under way.
pub(super) fn rest(state: &State) -> Phase {
    let machine = &state.machine;
    if machine.on_trial() {
        return Phase::OnTrial {
            from: machine.fallback().cloned(),
            to: machine.running.clone(),
        };
    }
    if let Some(version) = machine.armed().cloned() {
        return Phase::Armed { version };
    }
    let last = state.history.last();
    let of_this = last.filter(|record| record.left_running() == &machine.running);
    of_this.map_or(Phase::Idle, ended)
}

fn ended(record: &Record) -> Phase {
    let (from, to) = (record.from.clone(), record.to.clone());
    match record.outcome.clone() {
        Outcome::Committed => Phase::Committed { from, to },
        Outcome::RolledBack { reason } => Phase::RolledBack { from, to, reason },
        Outcome::Disarmed { reason } => Phase::Disarmed {
            version: to,
            reason,
        },
    }
}

/// The operator's rollback was cut between saying so and rebooting: do it again.
fn still_going_back(state: &State) -> Option<Vec<Effect>> {
    let Phase::GoingBack { from, to } = &state.phase else {
        return None;
    };
    let unfinished = *from == state.machine.running && state.machine.fallback() == Some(to);
    unfinished.then(|| vec![Effect::MarkBad(from.clone())])
}

/// Write down what became of the update that was begun, as far as the machine tells.
fn settle(state: &mut State) {
    if state.machine.on_trial() {
        return;
    }
    if let Some(bad) = state.machine.bad().cloned() {
        if !is_recorded(state, &bad.version) {
            went_back(state, &bad);
        }
        return;
    }
    // An entry that is gone proves nothing.
    let proven = state
        .update
        .as_ref()
        .is_some_and(|u| u.to == state.machine.running && state.machine.stands_alone());
    if proven {
        committed(state);
    }
}

/// Whether the history already tells that `bad` failed. An armed update may have failed a second time.
fn is_recorded(state: &State, bad: &Version) -> bool {
    let again = matches!(&state.update, Some(u) if u.armed && u.to == *bad);
    let last = state.history.last();
    !again
        && last.is_some_and(|r| {
            r.from == *bad
                && r.to == state.machine.running
                && matches!(r.outcome, Outcome::RolledBack { .. })
        })
}

fn committed(state: &mut State) {
    let Some(update) = state.update.clone() else {
        return;
    };
    state.refused.retain(|r| r.version != update.to);
    let cost = close_update(state, &update.to);
    state.history.push(Record {
        from: update.from,
        to: update.to,
        outcome: Outcome::Committed,
        cost,
    });
}

fn went_back(state: &mut State, bad: &Entry) {
    let reason = why_bad(state, bad);
    if state.refusal(&bad.version).is_none() {
        state.refused.push(Refused {
            version: bad.version.clone(),
            reason: reason.clone(),
        });
    }
    let cost = close_update(state, &bad.version);
    state.history.push(Record {
        from: bad.version.clone(),
        to: state.machine.running.clone(),
        outcome: Outcome::RolledBack { reason },
        cost,
    });
}

/// The costs of the update to `version`, which is over now.
pub(super) fn close_update(state: &mut State, version: &Version) -> Cost {
    let Some(update) = state.update.take_if(|u| u.to == *version) else {
        return Cost::default();
    };
    let mut cost = update.cost;
    if let Some(at) = update.rebooted_at {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of a reboot are far below 2^52"
        )]
        let seconds = state.machine.at.saturating_sub(at) as f64 / 1000.0;
        cost.seconds.insert("reboot".into(), seconds);
    }
    cost
}

/// Why the release of a bad entry is not to be booted again.
pub(super) fn why_bad(state: &State, bad: &Entry) -> String {
    if let Some(refused) = state.refusal(&bad.version) {
        return refused.reason.clone();
    }
    let report = state
        .machine
        .health
        .as_ref()
        .filter(|h| h.version == bad.version && !h.healthy);
    let done = bad.tries.map_or(0, |t| t.done);
    match report {
        Some(report) => format!("it was not healthy: {}", report.reasons.join("; ")),
        // Only a committed release has no counter to count with before it is marked.
        None if done == 0 => "its boot entry was marked as failed".into(),
        None if done == 1 => "it was tried once and never came up to say that it is healthy".into(),
        None => format!("it was tried {done} times and never came up to say that it is healthy"),
    }
}
