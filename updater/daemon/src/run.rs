//! The agent on a bus connection, a clock and a machine, until it is told to end.

use tokio::sync::{mpsc, watch};
use zbus::Connection;

use crate::{
    agent::{self, Ends, Ground, Shown},
    bus::{self, Authority},
};

/// Requests that may wait; each is answered at once.
const WAITING: usize = 16;

/// Why the agent ended early.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("the agent cannot begin")]
    Begin {
        #[from]
        source: agent::Error,
    },
    #[error("cannot serve {} on D-Bus", bus::NAME)]
    Serve { source: zbus::Error },
}

/// Run the agent until `shutdown` ends. Without a connection it acts by itself only.
///
/// # Errors
/// [`Error::Begin`]; [`Error::Serve`] when another agent has the name, or the bus went away.
pub async fn run(
    connection: Option<(Connection, Authority)>,
    ground: Ground,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (ask, asks) = mpsc::channel(WAITING);
    let (shown, show) = watch::channel(Shown::default());
    let served = async move {
        if let Some((connection, authority)) = connection
            && let Err(source) = bus::serve(&connection, ask, show, authority).await
        {
            return Error::Serve { source };
        }
        std::future::pending().await
    };
    tokio::select! {
        error = served => Err(error),
        ended = agent::run(ground, Ends { asks, shown }, shutdown) => Ok(ended?),
    }
}
