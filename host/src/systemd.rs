//! systemd over D-Bus: units and reboot.

use systemd_zbus::ManagerProxy;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, Proxy};

use crate::error::{Error, Result};

/// The unit that takes a machine down and up again.
const REBOOT: &str = "reboot.target";

/// systemd-timedated; started when it is asked.
const TIMEDATE: &str = "org.freedesktop.timedate1";
const TIMEDATE_PATH: &str = "/org/freedesktop/timedate1";

/// The manager of the machine's services.
#[derive(Debug, Clone)]
pub struct Systemd {
    connection: Connection,
}

/// What `ListUnitsFiltered` tells of a unit (org.freedesktop.systemd1(5)): name, description, load state, active
/// state, sub state, unit it follows, object path, job id, job type, job path.
type Unit = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

/// Units as plain strings: the states that systemd-zbus knows are fewer than systemd 257 has, and its list of units
/// fails as a whole on one that it does not know.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1",
    gen_blocking = false
)]
trait Units {
    fn list_units_filtered(&self, states: &[&str]) -> zbus::Result<Vec<Unit>>;

    fn list_units_by_names(&self, names: &[&str]) -> zbus::Result<Vec<Unit>>;

    #[zbus(name = "StartUnit")]
    fn start(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
}

impl Systemd {
    /// Connects to the system bus.
    ///
    /// # Errors
    /// [`Error::ConnectBus`].
    pub async fn connect() -> Result<Self> {
        match Connection::system().await {
            Ok(connection) => Ok(Self::new(connection)),
            Err(error) => Err(Error::ConnectBus {
                source: error.into(),
            }),
        }
    }

    /// Talks over a connection that is there already.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Reboots the machine in order: services are stopped, file systems unmounted. Returns once the job is queued;
    /// no later job can cancel it.
    ///
    /// `systemctl reboot` starts this target, too.
    ///
    /// # Errors
    /// [`Error::AskSystemd`].
    pub async fn reboot(&self) -> Result<()> {
        let started = async {
            let units = UnitsProxy::new(&self.connection).await?;
            // A mode that systemd-zbus does not know.
            units.start(REBOOT, "replace-irreversibly").await
        };
        match started.await {
            Ok(_job) => Ok(()),
            Err(error) => Err(refused("start the reboot".to_owned(), error)),
        }
    }

    /// Reboots the machine at once: processes are killed and file systems unmounted, but no service is stopped in order
    /// (`Reboot` in org.freedesktop.systemd1(5)). For a machine on which nothing else gets through.
    ///
    /// # Errors
    /// [`Error::AskSystemd`].
    pub async fn reboot_at_once(&self) -> Result<()> {
        let rebooted = async { ManagerProxy::new(&self.connection).await?.reboot().await };
        let rebooted = rebooted.await;
        rebooted.map_err(|error| refused("reboot at once".to_owned(), error))
    }

    /// Whether a source of time has set the machine's clock: chrony (with `rtcsync`), systemd-timesyncd or ntpd have
    /// then cleared the kernel's `STA_UNSYNC` (adjtimex(2), `NTPSynchronized` in org.freedesktop.timedate1(5)).
    ///
    /// # Errors
    /// [`Error::AskSystemd`].
    pub async fn is_time_synchronised(&self) -> Result<bool> {
        let timedate = Proxy::new(&self.connection, TIMEDATE, TIMEDATE_PATH, TIMEDATE);
        let asked = async { timedate.await?.get_property("NTPSynchronized").await };
        let asked = asked.await;
        asked.map_err(|error| refused("say whether the time is synchronised".to_owned(), error))
    }

    /// Whether a unit is being started, or is about to be.
    ///
    /// # Errors
    /// [`Error::AskSystemd`].
    pub async fn is_starting(&self, name: &str) -> Result<bool> {
        let listed = async {
            let units = UnitsProxy::new(&self.connection).await?;
            units.list_units_by_names(&[name]).await
        };
        let units = listed.await;
        let units = units.map_err(|error| refused(format!("show the state of {name}"), error))?;
        // The fourth is the active state; the eighth the job that waits, 0 for none, the ninth what it does.
        let starts = |unit: &Unit| unit.3 == "activating" || (unit.7 != 0 && unit.8 == "start");
        Ok(units.iter().any(starts))
    }

    /// The names of the units that have failed, sorted.
    ///
    /// # Errors
    /// [`Error::AskSystemd`].
    pub async fn failed_units(&self) -> Result<Vec<String>> {
        let listed = async {
            let units = UnitsProxy::new(&self.connection).await?;
            units.list_units_filtered(&["failed"]).await
        };
        let units = listed.await;
        let units = units.map_err(|error| refused("list the failed units".to_owned(), error))?;
        let mut names: Vec<String> = units.into_iter().map(|unit| unit.0).collect();
        names.sort();
        Ok(names)
    }
}

fn refused(action: String, error: zbus::Error) -> Error {
    Error::AskSystemd {
        action,
        source: error.into(),
    }
}
