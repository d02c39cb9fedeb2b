//! What systemd is asked, and what its answers become; systemd is played over a socket pair.

use std::sync::{Arc, Mutex};

use acl_host::error::chain;
use acl_host::systemd::Systemd;
use tokio::net::UnixStream;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, connection, interface};

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

/// Plays `org.freedesktop.systemd1.Manager`; writes down what it was asked.
struct Manager {
    asked: Arc<Mutex<Vec<String>>>,
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn start_unit(&self, name: &str, mode: &str) -> OwnedObjectPath {
        let asked = format!("start {name} {mode}");
        self.asked.lock().unwrap().push(asked);
        path("/org/freedesktop/systemd1/job/7")
    }

    fn reboot(&self) {
        self.asked.lock().unwrap().push("reboot at once".into());
    }

    fn list_units_filtered(&self, states: Vec<String>) -> Vec<Unit> {
        self.asked
            .lock()
            .unwrap()
            .push(format!("list {}", states.join(",")));
        // Sub-states of systemd 257 that systemd-zbus does not know.
        [
            ("kubelet.service", "dead-before-auto-restart"),
            ("containerd.service", "failed-before-auto-restart"),
        ]
        .map(|(name, sub)| unit(name, sub))
        .to_vec()
    }
}

/// A manager of which only the states of units are asked.
struct Starting;

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Starting {
    fn list_units_by_names(&self, names: Vec<String>) -> Vec<Unit> {
        let mut units: Vec<Unit> = names.iter().map(|name| unit(name, "dead")).collect();
        for unit in &mut units {
            (unit.3, unit.7, unit.8) = match unit.0.as_str() {
                "begins.service" => ("activating".into(), 0, String::new()),
                "waits.service" => ("inactive".into(), 7, "start".into()),
                "ends.service" => ("inactive".into(), 7, "stop".into()),
                _ => ("inactive".into(), 0, String::new()),
            };
        }
        units
    }
}

#[tokio::test]
async fn a_unit_that_starts_or_has_a_job_to_start() {
    let (here, there) = UnixStream::pair().unwrap();
    let guid = zbus::Guid::generate();
    let served = connection::Builder::unix_stream(there)
        .server(guid)
        .unwrap()
        .p2p()
        .serve_at("/org/freedesktop/systemd1", Starting)
        .unwrap()
        .build();
    let client = connection::Builder::unix_stream(here).p2p().build();
    let (_served, client) = tokio::try_join!(served, client).unwrap();
    let systemd = Systemd::new(client);
    let mut starts = Vec::new();
    for name in ["begins", "waits", "ends", "rests"] {
        let unit = format!("{name}.service");
        starts.push(systemd.is_starting(&unit).await.unwrap());
    }
    assert_eq!(starts, [true, true, false, false]);
}

/// Plays `org.freedesktop.timedate1`.
struct TimeDate;

#[interface(name = "org.freedesktop.timedate1")]
impl TimeDate {
    #[zbus(property, name = "NTPSynchronized")]
    fn is_synchronised(&self) -> bool {
        true
    }
}

fn path(text: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(text).unwrap()
}

fn unit(name: &str, sub: &str) -> Unit {
    let text = str::to_owned;
    (
        text(name),
        text("a service"),
        text("loaded"),
        text("failed"),
        text(sub),
        String::new(),
        path("/org/freedesktop/systemd1/unit/x"),
        0,
        String::new(),
        path("/"),
    )
}

struct Played {
    systemd: Systemd,
    asked: Arc<Mutex<Vec<String>>>,
    server: Connection,
}

impl Played {
    async fn new() -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let manager = Manager {
            asked: Arc::clone(&asked),
        };
        let server = connection::Builder::unix_stream(theirs)
            .server(zbus::Guid::generate())
            .unwrap()
            .p2p()
            .serve_at("/org/freedesktop/systemd1", manager)
            .unwrap()
            .serve_at("/org/freedesktop/timedate1", TimeDate)
            .unwrap()
            .build();
        let client = connection::Builder::unix_stream(ours).p2p().build();
        let (server, client) = tokio::try_join!(server, client).unwrap();
        Self {
            systemd: Systemd::new(client),
            asked,
            server,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_reboot_goes_through_its_target_and_cannot_be_cancelled() {
    let played = Played::new().await;
    played.systemd.reboot().await.unwrap();
    assert_eq!(played.asked(), ["start reboot.target replace-irreversibly"]);
}

#[tokio::test]
async fn failed_units_whatever_their_sub_state() {
    let played = Played::new().await;
    let failed = played.systemd.failed_units().await.unwrap();
    assert_eq!(failed, ["containerd.service", "kubelet.service"]);
    assert_eq!(played.asked(), ["list failed"]);
}

#[tokio::test]
async fn a_reboot_that_nothing_holds_up() {
    let played = Played::new().await;
    played.systemd.reboot_at_once().await.unwrap();
    assert_eq!(played.asked(), ["reboot at once"]);
}

#[tokio::test]
async fn whether_the_time_is_synchronised() {
    let played = Played::new().await;
    assert!(played.systemd.is_time_synchronised().await.unwrap());
    played.server.close().await.unwrap();
    let error = played.systemd.is_time_synchronised().await.unwrap_err();
    let told = chain(&error);
    let expected = "systemd did not say whether the time is synchronised: ";
    assert!(told.starts_with(expected), "{told}");
}

#[tokio::test]
async fn a_bus_that_is_gone() {
    let played = Played::new().await;
    played.server.close().await.unwrap();
    let error = played.systemd.reboot().await.unwrap_err();
    assert!(
        chain(&error).starts_with("systemd did not start the reboot: "),
        "{}",
        chain(&error)
    );
}
