//! What the agent shows: one JSON document, on D-Bus and through `aclctl status --json`.

use acl_updater_core::{
    Version,
    machine::{Entry, Health},
    state::{Phase, State},
};
use serde::Serialize;

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The document, as JSON.
    pub state: String,
    /// Bytes written and bytes to write of the update under way; 0 of 0 when none is.
    pub progress: (u64, u64),
}

#[derive(Serialize)]
struct Status<'a> {
    schema: u32,
    running: &'a Version,
    entries: &'a [Entry],
    health: Option<&'a Health>,
    /// Whether the agent is at work, so that the state is about to change.
    busy: bool,
    #[serde(flatten)]
    state: &'a State,
}

/// What is shown of `state`.
pub(crate) fn shown(state: &State, busy: bool) -> Shown {
    let status = Status {
        schema: 1,
        running: &state.machine.running,
        entries: &state.machine.entries,
        health: state.machine.health.as_ref(),
        busy,
        state,
    };
    let progress = match state.phase {
        Phase::Staging { done, total, .. } => (done, total),
        _ => (0, 0),
    };
    Shown {
        // Strings, numbers and lists of them: there is nothing that cannot be written as JSON.
        state: serde_json::to_string(&status).unwrap_or_default(),
        progress,
    }
}
