//! The agent, as it is seen over D-Bus.

use std::time::Duration;

use acl_host::systemd::Systemd;
use futures_util::{Stream, StreamExt};
use zbus::{
    Connection,
    fdo::{DBusProxy, PropertiesProxy},
    names::{BusName, InterfaceName, WellKnownName},
    proxy,
    proxy::{Builder, CacheProperties},
};

use crate::{document::Status, failure::Failure};

/// The agent's name on the bus.
const NAME: &str = "org.acl.Updater1";

/// The unit that it is.
const UNIT: &str = "acl-updated.service";

/// How often an agent that starts is looked for, and the pause between: 30 s in all.
const TRIES: u32 = 120;
const PAUSE: Duration = Duration::from_millis(250);

/// The agent's object.
#[proxy(
    interface = "org.acl.Updater1",
    default_service = "org.acl.Updater1",
    default_path = "/org/acl/Updater1",
    gen_blocking = false
)]
pub(crate) trait Updater {
    fn check(&self) -> zbus::Result<()>;
    fn stage(&self) -> zbus::Result<()>;
    fn apply(&self) -> zbus::Result<()>;
    fn rollback(&self) -> zbus::Result<()>;
    fn retry(&self) -> zbus::Result<()>;
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn progress(&self) -> zbus::Result<(u64, u64)>;
}

/// A connection to the agent.
#[derive(Debug)]
pub(crate) struct Agent {
    updater: UpdaterProxy<'static>,
    properties: PropertiesProxy<'static>,
}

/// Waits while systemd starts the agent, as after a boot. Whoever stopped it is not waited for.
async fn wait_while_starting(bus: &Connection) -> Result<(), Failure> {
    let names = DBusProxy::new(bus).await;
    let names = names.map_err(|source| Failure::Connect { source })?;
    let systemd = Systemd::new(bus.clone());
    let agent = BusName::WellKnown(WellKnownName::from_static_str_unchecked(NAME));
    for _ in 0..TRIES {
        let has_owner = names.name_has_owner(agent.clone()).await;
        if has_owner.map_err(|error| Failure::from_bus(error.into()))? {
            return Ok(());
        }
        // A bus without systemd has nothing that starts it.
        if !systemd.is_starting(UNIT).await.unwrap_or(false) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// What can be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    Check,
    Stage,
    Apply,
    Rollback,
    Retry,
}

impl Agent {
    /// The agent of this machine.
    pub(crate) async fn connect() -> Result<Self, Failure> {
        let bus = Connection::system()
            .await
            .map_err(|source| Failure::Connect { source })?;
        wait_while_starting(&bus).await?;
        let made = async {
            Ok(Self {
                // What is read after a request must not be what was signalled before it.
                updater: Builder::new(&bus)
                    .cache_properties(CacheProperties::No)
                    .build()
                    .await?,
                properties: PropertiesProxy::builder(&bus)
                    .destination("org.acl.Updater1")?
                    .path("/org/acl/Updater1")?
                    .build()
                    .await?,
            })
        };
        made.await.map_err(|source| Failure::Connect { source })
    }

    /// Ask for something; it has begun when this returns.
    pub(crate) async fn ask(&self, request: Request) -> Result<(), Failure> {
        let updater = &self.updater;
        let asked = match request {
            Request::Check => updater.check().await,
            Request::Stage => updater.stage().await,
            Request::Apply => updater.apply().await,
            Request::Rollback => updater.rollback().await,
            Request::Retry => updater.retry().await,
        };
        asked.map_err(Failure::from_bus)
    }

    /// What the agent does and knows now.
    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        let json = self.updater.state().await.map_err(Failure::from_bus)?;
        Status::parse(json)
    }

    /// Bytes written and bytes to write.
    pub(crate) async fn progress(&self) -> Result<(u64, u64), Failure> {
        self.updater.progress().await.map_err(Failure::from_bus)
    }

    /// An item each time something has changed.
    pub(crate) async fn changes(&self) -> Result<impl Stream<Item = ()> + Unpin, Failure> {
        let changes = self.properties.receive_properties_changed().await;
        let ours = InterfaceName::from_static_str_unchecked("org.acl.Updater1");
        let changes = changes.map_err(Failure::from_bus)?;
        Ok(Box::pin(changes.filter_map(move |change| {
            let is_ours = change
                .args()
                .is_ok_and(|args| *args.interface_name() == ours);
            std::future::ready(is_ours.then_some(()))
        })))
    }
}
