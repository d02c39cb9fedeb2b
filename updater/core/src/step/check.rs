//! What follows from a check.

use super::{settle, stage};
use crate::{
    effect::Effect,
    event::{Offer, Outcome},
    state::{Decision, Failure, Goal, Phase, State, Who},
};

/// A check came to an end.
pub(super) fn checked(state: &mut State, outcome: Outcome) -> Vec<Effect> {
    if state.phase != Phase::Checking {
        return Vec::new();
    }
    match outcome {
        Outcome::Nothing { reason, verdicts } => nothing(state, reason, verdicts),
        Outcome::Offer(offer) => offered(state, &offer),
    }
}

fn nothing(state: &mut State, reason: String, verdicts: Vec<String>) -> Vec<Effect> {
    let decision = Some(Decision {
        version: None,
        reason,
        verdicts,
    });
    let is_news = state.decision != decision;
    state.decision = decision;
    state.phase = settle::rest(state);
    // Else the next start of the agent would tell what an older check found.
    if is_news {
        vec![Effect::Save]
    } else {
        Vec::new()
    }
}

fn offered(state: &mut State, offer: &Offer) -> Vec<Effect> {
    if let Some(refused) = state.refusal(&offer.version) {
        let reason = format!(
            "{} is the newest release, but {}; waiting for a newer one or a retry",
            offer.version, refused.reason
        );
        return nothing(state, reason, offer.verdicts.clone());
    }
    if offer.version == state.machine.running {
        let reason = format!("{} is running", offer.version);
        return nothing(state, reason, offer.verdicts.clone());
    }
    state.decision = Some(Decision {
        version: Some(offer.version.clone()),
        reason: offer.reason.clone(),
        verdicts: offer.verdicts.clone(),
    });
    if state.machine.armed() == Some(&offer.version) {
        state.phase = settle::rest(state);
        return stage::reboot_if_asked(state);
    }
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
