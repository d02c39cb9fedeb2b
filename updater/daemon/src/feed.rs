//! What makes the agent act without being asked: the check interval, a trial's end, signals.

pub(crate) mod signal;
pub(crate) mod synchronised;
mod timer;

use std::time::Duration;

use acl_updater_core::{event::Event, state::State};
use tokio::task::JoinError;

pub use timer::Pace;
pub(crate) use timer::Timer;

use crate::{effect::Running, session::Session};

/// How often a trial is looked at. The entry's counter is dropped by systemd, which tells nobody.
const TRIAL: Duration = Duration::from_secs(2);

/// Ends when it is time to look at a trial; never when there is none.
pub(crate) async fn trial_pause(state: &State) {
    if state.watches_trial() {
        tokio::time::sleep(TRIAL).await;
    } else {
        std::future::pending().await
    }
}

/// What `running` comes to; never when there is none, or when it was cancelled: then the agent is about to end.
pub(crate) async fn ended(running: &mut Option<Running>) -> (Session, Option<Event>) {
    let ended = match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    };
    match ended.map_err(JoinError::try_into_panic) {
        Ok(Some(ended)) => ended,
        // As if it had been carried out here: the agent ends, and is started again.
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Ok(None) | Err(Err(_)) => std::future::pending().await,
    }
}
