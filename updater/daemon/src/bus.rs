//! The agent on D-Bus: `org.acl.Updater1`.

mod authority;

use acl_updater_core::{
    bounds,
    state::{Failure, Who},
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;
use zbus::{Connection, interface, message::Header, object_server::InterfaceRef};

pub use authority::Authority;

use crate::{
    agent::{Ask, Wish},
    status::Shown,
};

/// Name on the bus.
pub const NAME: &str = "org.acl.Updater1";
/// Path of the one object.
pub const PATH: &str = "/org/acl/Updater1";

/// Error names on the bus say who must act.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.acl.Updater1.Error")]
pub enum Error {
    /// Something in the bus itself.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// Whoever asked or configured.
    Operator(String),
    /// Whoever runs the machine or the network.
    Environment(String),
    /// Whoever runs the release repository.
    Server(String),
    /// Whoever wrote this program.
    Bug(String),
}

/// The object.
#[derive(Debug)]
pub struct Updater {
    asks: mpsc::Sender<Ask>,
    shown: watch::Receiver<Shown>,
    authority: Authority,
}

/// Put the agent's object on `connection` and keep its properties' signals going until the agent ends.
///
/// # Errors
/// When the object cannot be put there.
pub async fn serve(
    connection: &Connection,
    asks: mpsc::Sender<Ask>,
    shown: watch::Receiver<Shown>,
    authority: Authority,
) -> zbus::Result<()> {
    let object = Updater {
        asks,
        shown: shown.clone(),
        authority,
    };
    let has_bus = matches!(object.authority, Authority::Polkit(_));
    connection.object_server().at(PATH, object).await?;
    if has_bus {
        // Only now: with the name come requests, which would be lost without the object.
        connection.request_name(NAME).await?;
    }
    let object = connection
        .object_server()
        .interface::<_, Updater>(PATH)
        .await?;
    signal(object, shown).await
}

/// Signal each change of what is shown.
async fn signal(
    object: InterfaceRef<Updater>,
    mut shown: watch::Receiver<Shown>,
) -> zbus::Result<()> {
    let mut before = shown.borrow_and_update().clone();
    while shown.changed().await.is_ok() {
        let now = shown.borrow_and_update().clone();
        let emitter = object.signal_emitter();
        if now.state != before.state {
            go_on(object.get().await.state_changed(emitter).await)?;
        }
        if now.progress != before.progress {
            go_on(object.get().await.progress_changed(emitter).await)?;
        }
        before = now;
    }
    Ok(())
}

/// A signal that cannot be sent, such as one that is too large, is no reason to end: updates matter more than being
/// watched. Without its connection the agent ends, and is started again with another.
fn go_on(sent: zbus::Result<()>) -> zbus::Result<()> {
    match sent {
        Err(error) if !matches!(error, zbus::Error::InputOutput(_)) => {
            let chain = acl_host::error::chain(&error);
            let chain = bounds::text(&chain, bounds::REASON);
            warn!(error = chain, "cannot signal a change on D-Bus: {chain}");
            Ok(())
        }
        sent => sent,
    }
}

#[interface(name = "org.acl.Updater1")]
impl Updater {
    /// Find out what is offered. Returns when it has begun, like all of these; `State` tells the rest.
    async fn check(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        self.ask(&header, Wish::Check, "check").await
    }

    /// Have the offered release armed.
    async fn stage(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        self.ask(&header, Wish::Stage, "stage").await
    }

    /// Have it armed and reboot into it.
    async fn apply(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        self.ask(&header, Wish::Apply, "apply").await
    }

    /// Reboot into the older release.
    async fn rollback(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        self.ask(&header, Wish::Rollback, "rollback").await
    }

    /// Forget which releases failed, and go as far as policy says.
    async fn retry(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        self.ask(&header, Wish::Retry, "retry").await
    }

    /// What the agent does and knows, as a JSON document.
    /// An agent that has just started is waited for.
    #[zbus(property)]
    async fn state(&self) -> String {
        let mut shown = self.shown.clone();
        let begun = shown.wait_for(|shown| !shown.state.is_empty()).await;
        // Nothing is shown any more when the agent ends.
        begun.map(|shown| shown.state.clone()).unwrap_or_default()
    }

    /// Bytes written and bytes to write of the update under way.
    #[zbus(property)]
    fn progress(&self) -> (u64, u64) {
        self.shown.borrow().progress
    }
}

impl Updater {
    async fn ask(&self, header: &Header<'_>, wish: Wish, verb: &str) -> Result<(), Error> {
        if !self.authority.allows(header, verb).await? {
            return Err(Error::Operator(format!(
                "you may not {verb}; ask as root, or get the right for {NAME_LOWER}.{verb}"
            )));
        }
        let (reply, answer) = oneshot::channel();
        let gone = || Error::Bug("the agent is about to end".into());
        if self.asks.send(Ask { wish, reply }).await.is_err() {
            return Err(gone());
        }
        match answer.await {
            Ok(begun) => begun.map_err(Error::from),
            Err(_) => Err(gone()),
        }
    }
}

/// What the ids of the actions begin with in polkit.
const NAME_LOWER: &str = "org.acl.updater1";

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.who {
            Who::Operator => Self::Operator(failure.reason),
            Who::Environment => Self::Environment(failure.reason),
            Who::Server => Self::Server(failure.reason),
            Who::Bug => Self::Bug(failure.reason),
        }
    }
}
