//! A message bus of a test's own, and a stand-in for polkit on it.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::Stdio,
    sync::{Arc, Mutex},
};

use acl_host::{
    file,
    tool::{Running, Tool, Tools},
};
use tempfile::TempDir;
use zbus::{Connection, connection::Builder, interface, zvariant::OwnedValue};

/// Everybody may send everything to everybody: what is not named here is refused.
const EVERYTHING: &str = r#"<policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/></policy>"#;

/// The bus; it ends when it is dropped.
pub(crate) struct Bus {
    pub(crate) address: String,
    _running: Running,
    _dir: TempDir,
}

impl Bus {
    /// Started, and ready for connections of every user.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same, with one more rule.
    pub(crate) fn start_with(rule: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let everybody = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), everybody).unwrap();
        let config = dir.path().join("bus.conf");
        let listen = format!("<listen>unix:path={}/bus</listen>", dir.path().display());
        let rule = format!("<policy context=\"mandatory\">{rule}</policy>");
        let text =
            format!("<busconfig>{listen}<auth>EXTERNAL</auth>{EVERYTHING}{rule}</busconfig>");
        file::scratch(&config, text.as_bytes()).unwrap();
        let mut running = Tools::host()
            .command(Tool::DbusDaemon)
            .arg("--nofork")
            .arg("--nopidfile")
            .arg("--print-address")
            .arg(format!("--config-file={}", config.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut lines = BufReader::new(running.take_stdout().unwrap());
        lines.read_line(&mut address).unwrap();
        Self {
            address: address.trim().to_owned(),
            _running: running,
            _dir: dir,
        }
    }

    pub(crate) async fn connect(&self) -> Connection {
        let builder = Builder::address(self.address.as_str()).unwrap();
        builder.build().await.unwrap()
    }

    /// Let a stand-in for polkit answer on `connection`: yes or no to everything. What it was asked for.
    pub(crate) async fn polkit(connection: &Connection, allows: bool) -> Arc<Mutex<Vec<String>>> {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let polkit = Polkit {
            allows,
            asked: asked.clone(),
        };
        let path = "/org/freedesktop/PolicyKit1/Authority";
        connection.object_server().at(path, polkit).await.unwrap();
        let name = "org.freedesktop.PolicyKit1";
        connection.request_name(name).await.unwrap();
        asked
    }
}

struct Polkit {
    allows: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

type Answer = (bool, bool, HashMap<String, String>);

#[interface(name = "org.freedesktop.PolicyKit1.Authority")]
impl Polkit {
    /// One structure, so that it is a tuple of one.
    async fn check_authorization(
        &self,
        _subject: (String, HashMap<String, OwnedValue>),
        action: String,
        _details: HashMap<String, String>,
        _flags: u32,
        _cancellation: String,
    ) -> (Answer,) {
        self.asked.lock().unwrap().push(action);
        ((self.allows, false, HashMap::new()),)
    }

    #[zbus(property)]
    fn backend_name(&self) -> String {
        "a stand-in".into()
    }
}
