//! What makes the agent act without being asked: the check interval, a trial's end, signals.

pub(crate) mod signal;
pub(crate) mod synchronised;
mod timer;

use std::{future::Future, pin::Pin, time::Duration};

use acl_updater_core::state::State;

pub use timer::Pace;
pub(crate) use timer::Timer;

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

/// What `running` comes to; never when there is none.
pub(crate) async fn ended<T>(running: &mut Option<Pin<Box<dyn Future<Output = T>>>>) -> T {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}
