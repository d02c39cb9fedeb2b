//! What follows from a check.

use super::{ask, settle, stage};
use crate::{
    effect::Effect,
    event::{Obstacle, Offer, Outcome, Unreachable, Unread},
    record::{self, Record},
    state::{Decision, Failure, Goal, Phase, State, Who},
};

/// A check came to an end.
pub(super) fn checked(
    state: &mut State,
    outcome: Outcome,
    obstacle: Option<Obstacle>,
) -> Vec<Effect> {
    if state.phase != Phase::Checking {
        return Vec::new();
    }
    let waited = state.waits_since.take();
    let mut effects = answered(state, outcome, obstacle);
    // Remembered, it would shorten the next wait.
    if waited.is_some() && !effects.contains(&Effect::Save) {
        effects.insert(0, Effect::Save);
    }
    effects
}

fn answered(state: &mut State, outcome: Outcome, obstacle: Option<Obstacle>) -> Vec<Effect> {
    let armed = state.machine.armed();
    if let Some(obstacle) = obstacle.filter(|obstacle| armed == Some(&obstacle.version)) {
        return vec![Effect::Disarm(obstacle)];
    }
    if armed.is_some() && state.goal == Goal::Reboot {
        // Also when a newer one is there: that one is staged on what is booted now.
        state.decision = Some(outcome.into());
        return stage::reboot(state);
    }
    match outcome {
        Outcome::Nothing { .. } => nothing(state, outcome.into()),
        Outcome::Offer(offer) => offered(state, &offer),
    }
}

/// A check came to no answer.
pub(super) fn failed(state: &mut State, failure: Failure, unread: Option<Unread>) -> Vec<Effect> {
    if state.phase != Phase::Checking {
        return Vec::new();
    }
    let armed = state.machine.armed().filter(|_| state.goal == Goal::Reboot);
    let (Some(version), Some(unread)) = (armed.cloned(), unread) else {
        // A reboot that waits goes on waiting: this was asked for by someone else.
        return super::failed(state, failure);
    };
    let Unreachable::Wait { limit } = unread.then else {
        return stage::reboot(state);
    };
    // A clock that was set back must not make it wait longer.
    let since = state
        .waits_since
        .map_or(unread.at, |since| since.min(unread.at));
    state.waits_since = Some(since);
    let Failure { reason, who } = failure;
    // Whatever reboots the machine takes what is armed: that must not wait for ever either.
    if unread.at.saturating_sub(since) >= limit {
        let reason = format!(
            "the repository did not say for {} that it may still be booted: {reason}",
            duration(limit)
        );
        return vec![Effect::Disarm(Obstacle { version, reason })];
    }
    state.phase = Phase::Waiting {
        version,
        since,
        reason,
        who,
    };
    vec![Effect::Save]
}

/// The armed release is not armed any more. What there is instead is found by another check.
pub(super) fn disarmed(state: &mut State, obstacle: Obstacle) -> Vec<Effect> {
    let Obstacle { version, reason } = obstacle;
    state.machine.entries.retain(|e| e.version != version);
    state.waits_since = None;
    let cost = settle::close_update(state, &version);
    state.history.push(Record {
        from: state.machine.running.clone(),
        to: version,
        outcome: record::Outcome::Disarmed { reason },
        cost,
    });
    let mut effects = vec![Effect::Save];
    if state.phase == Phase::Checking {
        effects.extend(ask::check(state, state.goal));
    }
    effects
}

/// A time in milliseconds as a person says it.
fn duration(milliseconds: u64) -> String {
    match milliseconds / 60_000 {
        minutes if minutes >= 120 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} min"),
    }
}

impl From<Outcome> for Decision {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Nothing {
                reason,
                verdicts,
                at_fault,
            } => Self {
                version: None,
                reason,
                verdicts,
                at_fault,
            },
            Outcome::Offer(offer) => Self {
                version: Some(offer.version),
                reason: offer.reason,
                verdicts: offer.verdicts,
                at_fault: None,
            },
        }
    }
}

fn nothing(state: &mut State, decision: Decision) -> Vec<Effect> {
    let is_news = state.decision.as_ref() != Some(&decision);
    state.decision = Some(decision);
    state.phase = settle::rest(state);
    // Else the next start of the agent would tell what an older check found.
    if is_news {
        vec![Effect::Save]
    } else {
        Vec::new()
    }
}

/// Nothing is taken though something is offered.
fn passed_over(state: &mut State, offer: &Offer, reason: String) -> Vec<Effect> {
    let decision = Decision {
        version: None,
        reason,
        verdicts: offer.verdicts.clone(),
        at_fault: None,
    };
    nothing(state, decision)
}

fn offered(state: &mut State, offer: &Offer) -> Vec<Effect> {
    // What was wrong with it was of another manifest, or long ago.
    state.unfit.retain(|unfit| unfit.version != offer.version);
    if let Some(refused) = state.refusal(&offer.version) {
        let reason = format!(
            "{} is the newest release, but {}; waiting for a newer one or a retry",
            offer.version, refused.reason
        );
        return passed_over(state, offer, reason);
    }
    if offer.version == state.machine.running {
        let reason = format!("{} is running", offer.version);
        return passed_over(state, offer, reason);
    }
    let decision = Outcome::Offer(offer.clone()).into();
    if state.machine.armed() == Some(&offer.version) {
        return nothing(state, decision);
    }
    state.decision = Some(decision);
    if state.goal == Goal::Check || state.machine.on_trial() {
        state.phase = Phase::Available {
            version: offer.version.clone(),
        };
        return Vec::new();
    }
    if !state.machine.stands_alone() {
        return super::failed(state, not_alone(state));
    }
    stage::begin(state, offer)
}

/// Overwriting the other slot takes away the only release that would boot.
fn not_alone(state: &State) -> Failure {
    let running = &state.machine.running;
    Failure::new(
        Who::Operator,
        format!(
            "the running release {running} has no proven boot entry (acl_{running}.efi) on the EFI system \
             partition, so the other slot is not overwritten; put the entry back, or reboot into a release that has one"
        ),
    )
}
