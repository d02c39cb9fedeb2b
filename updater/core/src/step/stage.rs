//! The way from an offered release to an armed one, step by step.

use super::{ask, settle};
use crate::{
    Version,
    bounds::UNFIT,
    effect::{Effect, Step},
    event::{Offer, Took},
    machine::{Entry, Tries},
    record::{Cost, Unfit, Update},
    state::{Failure, Goal, Phase, State, Who},
};

/// How often the agent reboots for an armed release without the operator's word.
const REBOOTS: u32 = 3;

/// Begin an update to `offer`.
pub(super) fn begin(state: &mut State, offer: &Offer) -> Vec<Effect> {
    state.update = Some(Update {
        from: state.machine.running.clone(),
        to: offer.version.clone(),
        armed: false,
        reboots: 0,
        rebooted_at: None,
        cost: Cost {
            packages: offer.packages.clone(),
            ..Cost::default()
        },
    });
    state.phase = Phase::Staging {
        version: offer.version.clone(),
        step: Step::FIRST,
        done: 0,
        total: offer.bytes,
    };
    vec![Effect::Save, Effect::Do(Step::FIRST, offer.version.clone())]
}

/// Bytes were written.
pub(super) fn progressed(state: &mut State, now: u64, of: u64) -> Vec<Effect> {
    if let Phase::Staging { done, total, .. } = &mut state.phase {
        (*done, *total) = (now, of);
    }
    Vec::new()
}

/// A step is durably done: issue the next.
pub(super) fn done(state: &mut State, step: Step, took: Took) -> Vec<Effect> {
    let Some(version) = under_way(state, step) else {
        return Vec::new();
    };
    account(state, step, took);
    let Some(next) = step.next() else {
        return armed(state, version);
    };
    let mut effects = Vec::new();
    match next {
        // The bad entry of an earlier trial is gone since Disarm, so from here on a bad entry is this update's.
        Step::Arm => {
            if let Some(update) = &mut state.update {
                update.armed = true;
            }
            effects.push(Effect::Save);
        }
        Step::Recheck => effects.push(Effect::Save),
        _ => {}
    }
    if step == Step::Disarm {
        let running = state.machine.running.clone();
        state.machine.entries.retain(|e| e.version == running);
    }
    advance(state, next);
    effects.push(Effect::Do(next, version));
    effects
}

/// The release that is being staged is damaged. What there is instead is found by another check at once, unless that many
/// are damaged that no more are remembered.
pub(super) fn unfit(state: &mut State, unfit: Unfit) -> Vec<Effect> {
    match &state.phase {
        Phase::Staging { version, .. } | Phase::Staged { version, .. }
            if *version == unfit.version => {}
        _ => return Vec::new(),
    }
    // What was armed before stays so until another one is written over it.
    state.update = state.machine.armed().map(|armed| Update {
        from: state.machine.running.clone(),
        to: armed.clone(),
        armed: true,
        reboots: 0,
        rebooted_at: None,
        cost: Cost::default(),
    });
    state.unfit.retain(|known| known.version != unfit.version);
    if state.unfit.len() >= UNFIT {
        return super::failed(state, Failure::new(unfit.who, unfit.reason));
    }
    state.unfit.push(unfit);
    let mut effects = vec![Effect::Save];
    effects.extend(ask::check(state, state.goal));
    effects
}

/// Reboot into the armed release, about which the repository was asked just now.
pub(super) fn reboot(state: &mut State) -> Vec<Effect> {
    state.phase = settle::rest(state);
    (state.waits_since, state.applies) = (None, false);
    let at = state.machine.at;
    if let Some(update) = &mut state.update {
        if update.reboots >= REBOOTS {
            let failure = not_tried(&update.to);
            return super::failed(state, failure);
        }
        update.reboots += 1;
        update.rebooted_at = Some(at);
    }
    vec![Effect::Save, Effect::Reboot]
}

/// A boot loader that is told to prefer the older release must not keep the machine rebooting for ever.
fn not_tried(version: &Version) -> Failure {
    Failure::new(
        Who::Environment,
        format!(
            "the machine was rebooted {REBOOTS} times and the boot loader did not try {version}; see which entry it \
             prefers (bootctl status), then apply again"
        ),
    )
}

fn armed(state: &mut State, version: Version) -> Vec<Effect> {
    state.machine.entries.push(Entry {
        version: version.clone(),
        tries: Some(Tries { left: 3, done: 0 }),
    });
    state.phase = Phase::Armed { version };
    match state.goal {
        Goal::Reboot => {
            let mut effects = vec![Effect::Save];
            effects.extend(ask::check(state, Goal::Reboot));
            effects
        }
        Goal::Check | Goal::Arm => vec![Effect::Save],
    }
}

/// The release whose `step` is under way; none when another is.
fn under_way(state: &State, step: Step) -> Option<Version> {
    match &state.phase {
        Phase::Staging {
            version, step: now, ..
        }
        | Phase::Staged { version, step: now }
            if *now == step =>
        {
            Some(version.clone())
        }
        _ => None,
    }
}

fn account(state: &mut State, step: Step, took: Took) {
    state.machine.at = took.at;
    if let Some(update) = &mut state.update {
        update.cost.bytes_fetched += took.fetched;
        update.cost.seconds.insert(step.name().into(), took.seconds);
    }
}

fn advance(state: &mut State, next: Step) {
    match &mut state.phase {
        Phase::Staging { version, step, .. } => {
            if next == Step::Recheck {
                state.phase = Phase::Staged {
                    version: version.clone(),
                    step: next,
                };
            } else {
                *step = next;
            }
        }
        Phase::Staged { step, .. } => *step = next,
        _ => {}
    }
}
