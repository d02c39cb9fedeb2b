//! Signals that end the agent.

use tokio::signal::unix::{SignalKind, signal};

/// Ends when the agent is told to end.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
