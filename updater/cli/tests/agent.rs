//! The verbs that ask the agent, as they are typed: on a bus of the test's own, with the real agent or a stand-in on it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what the tests share is test code too"
)]

#[path = "../../daemon/tests/artifact.rs"]
mod artifact;
#[path = "../../daemon/tests/forged.rs"]
#[expect(dead_code, reason = "the agent's own tests use all of it")]
mod forged;
#[path = "../../daemon/tests/node.rs"]
#[expect(dead_code, reason = "the agent's own tests use all of it")]
mod node;
#[path = "../../daemon/tests/private_bus.rs"]
mod private_bus;
#[path = "agent/repository.rs"]
mod repository;
#[path = "../../daemon/tests/site.rs"]
#[expect(dead_code, reason = "the agent's own tests use all of it")]
mod site;
#[path = "../../../release/tests/uki.rs"]
mod uki;

use std::fs::{File, Permissions};
use std::io::pipe;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acl_host::clock::SystemClock;
use acl_host::{Tool, Tools, file};
use acl_updated::agent::{Ground, Pace};
use acl_updated::bus::{Authority, NAME, PATH};
use acl_updated::machine::Machine;
use acl_updated::run;
use futures_util::StreamExt as _;
use private_bus::Bus;
use serde_json::{Value, json};
use zbus::fdo::DBusProxy;
use zbus::{Connection, DBusError, interface};

/// The exit code, standard output and standard error.
type Typed = (Option<i32>, String, String);

/// Types `aclctl …` on the bus at `address`.
fn aclctl(address: &str, line: &str) -> Typed {
    let streams = tempfile::tempdir().unwrap();
    let path = |name: &str| streams.path().join(name);
    let mut running = command(address, line)
        .stdout(File::create(path("out")).unwrap())
        .stderr(File::create(path("err")).unwrap())
        .spawn()
        .unwrap();
    let status = running.wait(Duration::from_secs(60)).unwrap().unwrap();
    let read = |name: &str| file::read_to_string(path(name)).unwrap();
    let (out, err) = (read("out"), read("err"));
    let widest = out.lines().chain(err.lines()).map(|l| l.chars().count());
    if !line.contains("--json") {
        assert!(widest.max().unwrap_or_default() <= 80, "{out}{err}");
    }
    (status.code(), out, err)
}

fn command(address: &str, line: &str) -> acl_host::tool::ToolCommand {
    Tools::host()
        .command(Tool::Own(env!("CARGO_BIN_EXE_aclctl").into()))
        .args(line.split(' '))
        .env("DBUS_SYSTEM_BUS_ADDRESS", address)
        .stdin(Stdio::null())
}

async fn typed(bus: &Bus, line: &'static str) -> Typed {
    let address = bus.address.clone();
    let done = tokio::task::spawn_blocking(move || aclctl(&address, line)).await;
    done.unwrap()
}

fn said(code: i32, out: &str, err: &str) -> Typed {
    (Some(code), out.to_owned(), err.to_owned())
}

/// A machine that runs release 1, in a directory; its disk is a file, so that nothing reboots.
fn machine(root: &Path, entries: &[&str], config: &str) -> Machine {
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        file::make_parents(&path).unwrap();
        file::scratch(path, text.as_bytes()).unwrap();
    };
    put("usr/lib/os-release", "IMAGE_ID=acl\nIMAGE_VERSION=1\n");
    put("etc/acl/updater.d/10-site.toml", config);
    for entry in entries {
        put(&format!("efi/EFI/Linux/{entry}"), "kernel");
    }
    put("disk.raw", "");
    Machine {
        root: root.to_owned(),
        disk: Some(root.join("disk.raw")),
        ..Machine::default()
    }
}

/// Let the real agent serve a machine with these boot entries and this configuration.
async fn with_agent<F: AsyncFnOnce(&Bus)>(entries: &[&str], config: &str, test: F) {
    // The test may run as an ordinary user.
    with_polkit(true, (entries, config), async |bus, _| test(bus).await).await;
}

/// The same, where polkit says yes or no to everybody but root. The test is given what polkit was asked for.
async fn with_polkit<F>(allows: bool, (entries, config): (&[&str], &str), test: F)
where
    F: AsyncFnOnce(&Bus, Arc<Mutex<Vec<String>>>),
{
    let root = tempfile::tempdir().unwrap();
    serve(allows, machine(root.path(), entries, config), test).await;
}

/// Let the real agent serve `machine`, where polkit says yes or no to everybody but root.
async fn serve<F>(allows: bool, machine: Machine, test: F)
where
    F: AsyncFnOnce(&Bus, Arc<Mutex<Vec<String>>>),
{
    let bus = Bus::start();
    let desk = bus.connect().await;
    let asked = Bus::polkit(&desk, allows).await;
    let connection = bus.connect().await;
    let authority = Authority::Polkit(connection.clone());
    let ground = Ground {
        machine: Arc::new(machine),
        clock: Arc::new(SystemClock),
        pace: Pace {
            first: Duration::from_secs(3600),
            retry: Duration::from_secs(3600),
        },
    };
    let run = run::run(
        Some((connection, authority)),
        ground,
        std::future::pending(),
    );
    let tested = async {
        wait_for_agent(&desk).await;
        test(&bus, asked).await;
    };
    tokio::select! {
        () = tested => {}
        ended = run => panic!("the agent ended: {ended:?}"),
    }
}

async fn wait_for_agent(desk: &Connection) {
    let names = DBusProxy::new(desk).await.unwrap();
    let mut changes = names.receive_name_owner_changed().await.unwrap();
    while !names
        .name_has_owner(NAME.try_into().unwrap())
        .await
        .unwrap()
    {
        changes.next().await.unwrap();
    }
}

#[tokio::test]
async fn status_of_the_real_agent_as_text_and_json() {
    with_agent(&["acl_0.efi", "acl_1.efi"], "", async |bus| {
        let text = "Running   1\nState     idle\nBoots     0 (good), 1 (good)\n";
        assert_eq!(typed(bus, "status").await, said(0, text, ""));
        let (code, out, err) = typed(bus, "status --json").await;
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(document["running"], "1");
        assert_eq!(document["state"], json!({"name": "idle"}));
    })
    .await;
}

/// Types `aclctl …` as somebody who is not root; a test may well run as root.
const AS_A_USER: &str = r#"
export DBUS_SYSTEM_BUS_ADDRESS="$1"; shift
if [ "$(id -u)" = 0 ]; then set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; fi
"$@"; echo "exit $?"
"#;

/// The exit code and what was written to standard error; nothing else may be written.
async fn typed_as_a_user(bus: &Bus, line: &'static str) -> (String, String) {
    let address = bus.address.clone();
    let run = move || {
        // Everybody may not read the directory of what is built.
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("aclctl");
        std::fs::copy(env!("CARGO_BIN_EXE_aclctl"), &program).unwrap();
        for path in [dir.path(), &program] {
            std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        let program = program.display().to_string();
        let errors = dir.path().join("err");
        let (reader, writer) = pipe().unwrap();
        let mut running = Tools::host()
            .command(Tool::Shell)
            .args(["-c", AS_A_USER, "sh", &address, &program])
            .args(line.split(' '))
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        running.wait(Duration::from_secs(60)).unwrap().unwrap();
        let out = std::io::read_to_string(reader).unwrap();
        (out, file::read_to_string(errors).unwrap())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn what_polkit_refuses_is_exit_code_3_and_is_not_done() {
    let entries = ["acl_0.efi", "acl_1.efi"];
    with_polkit(false, (&entries, ""), async |bus, asked| {
        for verb in VERBS {
            let (out, err) = typed_as_a_user(bus, verb).await;
            let text = format!(
                "you may not {verb}; ask as root, or get the right for org.acl.updater1.{verb}"
            );
            let told = err.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(
                (out.as_str(), told),
                ("exit 3\n", format!("aclctl: {text}"))
            );
            let action = format!("org.acl.updater1.{verb}");
            assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), [action]);
        }
        // Everybody may look, and sees that nothing happened.
        let (out, err) = typed_as_a_user(bus, "status").await;
        let text = "Running   1\nState     idle\nBoots     0 (good), 1 (good)\nexit 0\n";
        assert_eq!((out.as_str(), err.as_str()), (text, ""));
        assert_eq!(*asked.lock().unwrap(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn root_needs_no_polkit() {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    with_polkit(false, (&["acl_1.efi"], ""), async |bus, asked| {
        let (code, _, err) = typed(bus, "check").await;
        // Both end with 3, for another reason.
        assert_eq!(code, Some(3));
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        let (start, actions) = match is_root {
            true => ("aclctl: no update server is configured", vec![]),
            false => ("aclctl: you may not check", vec!["org.acl.updater1.check"]),
        };
        assert!(err.starts_with(start), "{err}");
        assert_eq!(asked, actions);
    })
    .await;
}

#[tokio::test]
async fn what_polkit_allows_is_done() {
    let entries = ["acl_0.efi", "acl_1.efi"];
    with_polkit(true, (&entries, ""), async |bus, asked| {
        let (out, err) = typed_as_a_user(bus, "rollback").await;
        assert_eq!(
            (out.as_str(), err.as_str()),
            ("rebooting into 0\nexit 0\n", "")
        );
        assert_eq!(*asked.lock().unwrap(), ["org.acl.updater1.rollback"]);
    })
    .await;
}

#[tokio::test]
async fn without_a_server_the_verbs_say_what_to_set() {
    with_agent(&["acl_1.efi"], "", async |bus| {
        for line in ["check", "check --explain", "stage", "apply", "retry"] {
            let (code, out, err) = typed(bus, line).await;
            assert_eq!((code, out.as_str()), (Some(3), ""), "{line}");
            assert!(
                err.starts_with("aclctl: no update server is configured"),
                "{err}"
            );
        }
        let (code, out, err) = typed(bus, "check --json").await;
        assert_eq!(code, Some(3), "{err}");
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(document["state"]["who"], "operator");
    })
    .await;
}

#[tokio::test]
async fn a_rollback_reboots_into_the_older_release() {
    with_agent(&["acl_0.efi", "acl_1.efi"], "", async |bus| {
        let text = "rebooting into 0\n";
        assert_eq!(typed(bus, "rollback").await, said(0, text, ""));
    })
    .await;
}

#[tokio::test]
async fn a_rollback_as_json() {
    with_agent(&["acl_0.efi", "acl_1.efi"], "", async |bus| {
        let (code, out, err) = typed(bus, "rollback --json").await;
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let document: Value = serde_json::from_str(&out).unwrap();
        let going_back = json!({"name": "going-back", "from": "1", "to": "0"});
        assert_eq!(document["state"], going_back);
    })
    .await;
}

#[tokio::test]
async fn what_the_agent_refuses_is_exit_code_3() {
    with_agent(&["acl_1.efi"], "", async |bus| {
        let text = "aclctl: there is no boot entry of an older release to go back to\n";
        assert_eq!(typed(bus, "rollback").await, said(3, "", text));
        assert_eq!(typed(bus, "rollback --json").await, said(3, "", text));
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_means_nothing_is_exit_code_3() {
    with_agent(&["acl_1.efi"], "chanel = \"stable\"\n", async |bus| {
        let (code, out, err) = typed(bus, "retry").await;
        assert_eq!((code, out.as_str()), (Some(3), ""));
        // What the parser points at stands above the mark.
        let quoted = "\n          |\n        1 | chanel = \"stable\"\n          | ^^^^^^\n";
        assert!(err.contains(quoted), "{err}");
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_is_not_there() {
    let bus = Bus::start();
    let text = "aclctl: the update agent is not running: `systemctl start acl-updated` starts\n        \
                it, `systemctl status acl-updated` shows why it ended\n";
    for line in VERBS
        .iter()
        .chain(&JSON)
        .chain(&["status", "status --json"])
    {
        assert_eq!(typed(&bus, line).await, said(4, "", text), "{line}");
    }
}

#[test]
fn a_bus_that_is_not_there() {
    let (code, out, err) = aclctl("unix:path=/nonexistent/bus", "status");
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(
        err.starts_with("aclctl: cannot reach the system bus: "),
        "{err}"
    );
}

/// The verbs that ask for something.
const VERBS: [&str; 5] = ["check", "stage", "apply", "rollback", "retry"];

/// The same, with the document as the answer.
const JSON: [&str; 5] = [
    "check --json",
    "stage --json",
    "apply --json",
    "rollback --json",
    "retry --json",
];

/// What the stand-in answers to every request.
#[derive(Clone, Debug, DBusError)]
#[zbus(prefix = "org.acl.Updater1.Error")]
enum Refusal {
    Operator(String),
    Environment(String),
    Server(String),
    Bug(String),
    /// Of an agent of another release.
    Unknown(String),
    #[zbus(error)]
    Bus(zbus::Error),
}

type Asked = Arc<Mutex<Vec<&'static str>>>;

/// An agent that is always in the same state, for states that take a repository to come to.
struct StandIn {
    state: Value,
    /// How often it says that it is at work before it is at rest.
    works: AtomicU32,
    /// What it was asked for.
    asked: Asked,
    refusal: Option<Refusal>,
}

impl StandIn {
    fn answer(&self, method: &'static str) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push(method);
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

#[interface(name = "org.acl.Updater1")]
impl StandIn {
    fn check(&self) -> Result<(), Refusal> {
        self.answer("check")
    }

    fn stage(&self) -> Result<(), Refusal> {
        self.answer("stage")
    }

    fn apply(&self) -> Result<(), Refusal> {
        self.answer("apply")
    }

    fn rollback(&self) -> Result<(), Refusal> {
        self.answer("rollback")
    }

    fn retry(&self) -> Result<(), Refusal> {
        self.answer("retry")
    }

    #[zbus(property)]
    fn state(&self) -> String {
        let works = self.works.load(Ordering::SeqCst);
        if works == 0 {
            return self.state.to_string();
        }
        self.works.store(works - 1, Ordering::SeqCst);
        let mut state = self.state.clone();
        state["busy"] = json!(true);
        state["state"] = json!({"name": "checking"});
        state.to_string()
    }

    #[zbus(property)]
    fn progress(&self) -> (u64, u64) {
        (0, 0)
    }
}

async fn stand_in(state: Value, refusal: Option<Refusal>) -> (Bus, Connection) {
    stand_in_at_work(state, refusal, 0).await
}

async fn stand_in_at_work(state: Value, refusal: Option<Refusal>, works: u32) -> (Bus, Connection) {
    let bus = Bus::start();
    let stand_in = StandIn {
        state,
        works: works.into(),
        asked: Asked::default(),
        refusal,
    };
    let connection = stand_in_on(&bus, stand_in).await;
    (bus, connection)
}

async fn stand_in_on(bus: &Bus, stand_in: StandIn) -> Connection {
    let connection = bus.connect().await;
    let server = connection.object_server();
    server.at(PATH, stand_in).await.unwrap();
    connection.request_name(NAME).await.unwrap();
    connection
}

/// Release 1 runs, release 2 is in this state.
fn document(state: &Value) -> Value {
    json!({
        "schema": 1, "running": "1", "health": null, "busy": false, "goal": "arm", "state": state,
        "entries": [{"version": "1", "tries": null}, {"version": "2", "tries": {"left": 3, "done": 0}}],
        "decision": {"version": "2", "reason": "2 is the newest release that this node may take",
                     "verdicts": ["2 is the newest release that this node may take", "1 runs already"]},
        "decided": {"release": "1", "at": 1_796_139_611_999_u64},
        "update": null, "refused": [], "history": [],
    })
}

#[tokio::test]
async fn what_leads_to_an_armed_release() {
    let state = document(&json!({"name": "armed", "version": "2"}));
    let (bus, _agent) = stand_in(state.clone(), None).await;
    let text = "Decision  2 is the newest release that this node may take\n";
    assert_eq!(typed(&bus, "check").await, said(0, text, ""));
    let verdicts =
        "  Release 2 is the newest release that this node may take\n  Release 1 runs already\n";
    let explained = format!("{text}{verdicts}");
    let check = typed(&bus, "check --explain").await;
    assert_eq!(check, said(0, &explained, ""));
    let text = "rebooting into 2\n";
    assert_eq!(typed(&bus, "apply").await, said(0, text, ""));
    let text = "\
Running   1
State     2 is armed: the next reboot takes it
Decision  2 is the newest release that this node may take
  Made    2026-12-01T15:40:11Z, on 1
Boots     1 (good), 2 (3 tries left)
";
    assert_eq!(typed(&bus, "stage").await, said(0, text, ""));
    for line in JSON.iter().chain(&["status --json"]) {
        let json = format!("{state}\n");
        assert_eq!(typed(&bus, line).await, said(0, &json, ""), "{line}");
    }
}

#[tokio::test]
async fn a_retry_shows_what_came_of_it() {
    let state = document(&json!({"name": "available", "version": "2"}));
    let (bus, _agent) = stand_in(state.clone(), None).await;
    let text = "\
Running   1
State     2 is available
Decision  2 is the newest release that this node may take
  Made    2026-12-01T15:40:11Z, on 1
Boots     1 (good), 2 (3 tries left)
";
    assert_eq!(typed(&bus, "retry").await, said(0, text, ""));
    let json = format!("{state}\n");
    assert_eq!(typed(&bus, "retry --json").await, said(0, &json, ""));
}

#[tokio::test]
async fn a_reboot_that_waits_is_told_and_says_who_must_act() {
    let codes = [
        ("operator", 3),
        ("environment", 4),
        ("server", 5),
        ("bug", 1),
    ];
    for (who, code) in codes {
        let waiting =
            json!({"name": "waiting", "version": "2", "since": 0, "reason": "why", "who": who});
        let state = document(&waiting);
        let (bus, _agent) = stand_in(state.clone(), None).await;
        let told = "aclctl: the machine is not rebooted into 2 before the repository says that it\n        \
                    may be: why\n";
        assert_eq!(typed(&bus, "apply").await, said(code, "", told), "{who}");
        let json = format!("{state}\n");
        assert_eq!(typed(&bus, "apply --json").await, said(code, &json, told));
        assert_eq!(typed(&bus, "status --json").await, said(0, &json, ""));
        let (code, out, err) = typed(&bus, "status").await;
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let shown = out.lines().skip(1).take(2).collect::<Vec<_>>().join(" ");
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = format!(
            "State waiting with the reboot into 2 for the repository ({who} must act): why"
        );
        assert!(shown.starts_with(&expected), "{out}");
    }
}

#[tokio::test]
async fn a_disarmed_release_is_told() {
    let state = document(&json!({"name": "disarmed", "version": "2", "reason": "why"}));
    let (bus, _agent) = stand_in(state.clone(), None).await;
    let text = "\
Running   1
State     2 was disarmed and is not booted, because why
Decision  2 is the newest release that this node may take
  Made    2026-12-01T15:40:11Z, on 1
Boots     1 (good), 2 (3 tries left)
";
    let json = format!("{state}\n");
    for verb in ["status", "stage", "apply"] {
        assert_eq!(typed(&bus, verb).await, said(0, text, ""), "{verb}");
    }
    for line in ["status --json", "apply --json"] {
        assert_eq!(typed(&bus, line).await, said(0, &json, ""), "{line}");
    }
}

#[tokio::test]
async fn each_verb_asks_for_what_it_says() {
    let bus = Bus::start();
    let asked = Asked::default();
    let stand_in = StandIn {
        state: document(&json!({"name": "idle"})),
        works: 0.into(),
        asked: asked.clone(),
        refusal: None,
    };
    let _agent = stand_in_on(&bus, stand_in).await;
    for verb in VERBS {
        let (code, ..) = typed(&bus, verb).await;
        assert_eq!(code, Some(0), "{verb}");
        assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), [verb]);
    }
    let (code, ..) = typed(&bus, "status").await;
    assert_eq!(code, Some(0));
    assert_eq!(*asked.lock().unwrap(), [""; 0]);
}

/// What comes of it is told, and not what is under way.
#[tokio::test]
async fn a_verb_waits_until_the_work_has_ended() {
    let state = document(&json!({"name": "armed", "version": "2"}));
    for (line, text) in [
        ("apply", "rebooting into 2\n".to_owned()),
        ("stage --json", format!("{state}\n")),
    ] {
        let (bus, _agent) = stand_in_at_work(state.clone(), None, 2).await;
        assert_eq!(typed(&bus, line).await, said(0, &text, ""), "{line}");
    }
    // `status` tells what is now.
    let (bus, _agent) = stand_in_at_work(state, None, 1).await;
    let (_, out, _) = typed(&bus, "status").await;
    assert!(out.contains("State     checking\n"), "{out}");
}

#[tokio::test]
async fn the_exit_code_says_who_must_act() {
    let state = document(&json!({"name": "idle"}));
    let table = [
        (Refusal::Operator("why".into()), 3),
        (Refusal::Environment("why".into()), 4),
        (Refusal::Server("why".into()), 5),
        (Refusal::Bug("why".into()), 1),
    ];
    for (refusal, code) in table {
        let (bus, _agent) = stand_in(state.clone(), Some(refusal)).await;
        let said = said(code, "", "aclctl: why\n");
        for line in VERBS {
            assert_eq!(typed(&bus, line).await, said, "{line}");
        }
        // Nothing was begun of which a document could tell.
        assert_eq!(typed(&bus, "check --json").await, said);
    }
    for (who, code) in [
        ("operator", 3),
        ("environment", 4),
        ("server", 5),
        ("bug", 1),
    ] {
        let failed = json!({"name": "failed", "reason": "why", "who": who});
        let state = document(&failed);
        let (bus, _agent) = stand_in(state.clone(), None).await;
        let expected = said(code, "", "aclctl: why\n");
        for line in VERBS {
            assert_eq!(typed(&bus, line).await, expected, "{line}, {who}");
        }
        // The document, also of what failed.
        let expected = said(code, &format!("{state}\n"), "aclctl: why\n");
        for line in JSON {
            assert_eq!(typed(&bus, line).await, expected, "{line}, {who}");
        }
        // To be shown it is no failure.
        let (code, out, err) = typed(&bus, "status").await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{who}");
        let told = format!("State     failed ({who} must act): why\n");
        assert!(out.contains(&told), "{out}");
    }
}

#[tokio::test]
async fn what_the_bus_itself_refuses() {
    let bus = Bus::start_with("<deny send_interface=\"org.acl.Updater1\"/>");
    let state = document(&json!({"name": "idle"}));
    let stand_in = StandIn {
        state,
        works: 0.into(),
        asked: Asked::default(),
        refusal: None,
    };
    let _agent = stand_in_on(&bus, stand_in).await;
    for line in VERBS {
        let (code, out, err) = typed(&bus, line).await;
        assert_eq!((code, out.as_str()), (Some(3), ""), "{line}");
        let start = "aclctl: the bus does not let you ask the agent: ";
        assert!(err.starts_with(start), "{line}: {err}");
    }
    let (code, ..) = typed(&bus, "status").await;
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn an_error_that_this_program_does_not_know() {
    let state = document(&json!({"name": "idle"}));
    let (bus, _agent) = stand_in(state, Some(Refusal::Unknown("what".into()))).await;
    for line in VERBS {
        let (code, out, err) = typed(&bus, line).await;
        assert_eq!((code, out.as_str()), (Some(4), ""), "{line}");
        let told = err.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected =
            "aclctl: cannot talk to the update agent: org.acl.Updater1.Error.Unknown: what";
        assert_eq!(told, expected, "{line}");
    }
}

/// Release 1 runs, and this is wrong with the newer ones.
fn at_fault(who: &str) -> Value {
    let mut state = document(&json!({"name": "committed", "from": "0", "to": "1"}));
    state["entries"] = json!([{"version": "1", "tries": null}]);
    state["decision"] = json!({
        "version": null, "reason": "3 is passed over: it is damaged", "at_fault": who,
        "verdicts": ["3 is passed over: it is damaged", "2 is paused by its publisher", "1 runs already"],
    });
    let unfit = json!({"version": "3", "manifest": "7", "reason": "it is damaged", "who": who});
    state["unfit"] = json!([unfit]);
    state
}

#[tokio::test]
async fn nothing_to_take_because_of_a_damaged_release_is_a_failure() {
    for (who, code) in [("server", 5), ("environment", 4)] {
        let state = at_fault(who);
        let (bus, _agent) = stand_in(state.clone(), None).await;
        let told = "aclctl: 3 is passed over: it is damaged\n";
        for line in ["check", "stage", "apply", "retry"] {
            assert_eq!(typed(&bus, line).await, said(code, "", told), "{line}");
        }
        let explained = "\
Decision  3 is passed over: it is damaged
  Release 3 is passed over: it is damaged
  Release 2 is paused by its publisher
  Release 1 runs already
";
        let check = typed(&bus, "check --explain").await;
        assert_eq!(check, said(code, explained, told));
        let expected = said(code, &format!("{state}\n"), told);
        for line in JSON.iter().chain(&["check --json --explain"]) {
            if !line.starts_with("rollback") {
                assert_eq!(typed(&bus, line).await, expected, "{line}");
            }
        }
        let text = "\
Running   1
State     1 is committed; it came after 0
Decision  3 is passed over: it is damaged
  Made    2026-12-01T15:40:11Z, on 1
Boots     1 (good)
Unfit     3: it is damaged
";
        assert_eq!(typed(&bus, "status").await, said(0, text, ""));
        // It asks for no release.
        let (code, ..) = typed(&bus, "rollback").await;
        assert_eq!(code, Some(0));
    }
}

#[tokio::test]
async fn while_another_release_is_there_a_damaged_one_is_only_told() {
    let mut state = document(&json!({"name": "armed", "version": "2"}));
    state["unfit"] = at_fault("server")["unfit"].clone();
    let (bus, _agent) = stand_in(state.clone(), None).await;
    for line in ["stage", "retry", "status"] {
        let (code, out, err) = typed(&bus, line).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{line}");
        assert!(
            out.ends_with("Unfit     3: it is damaged\n"),
            "{line}: {out}"
        );
    }
    for line in ["check", "apply"] {
        let (code, _, err) = typed(&bus, line).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{line}");
    }
}

/// A document of an agent that knows neither `decided` nor `unfit` nor `at_fault`.
#[tokio::test]
async fn an_older_agent_is_understood() {
    let mut state = document(&json!({"name": "idle"}));
    state.as_object_mut().unwrap().remove("decided");
    let (bus, _agent) = stand_in(state, None).await;
    let text = "\
Running   1
State     idle
Decision  2 is the newest release that this node may take
Boots     1 (good), 2 (3 tries left)
";
    for line in ["status", "retry"] {
        assert_eq!(typed(&bus, line).await, said(0, text, ""), "{line}");
    }
}

#[tokio::test]
async fn going_back_in_words_and_as_json() {
    let state = document(&json!({"name": "going-back", "from": "1", "to": "0"}));
    let (bus, _agent) = stand_in(state.clone(), None).await;
    let text = "rebooting into 0\n";
    assert_eq!(typed(&bus, "rollback").await, said(0, text, ""));
    let json = format!("{state}\n");
    assert_eq!(typed(&bus, "rollback --json").await, said(0, &json, ""));
}

#[tokio::test]
async fn a_document_that_cannot_be_understood_is_a_bug() {
    let (bus, _agent) = stand_in(json!({"schema": 1}), None).await;
    let (code, out, err) = typed(&bus, "status").await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.starts_with("aclctl: the agent says what this program does not understand;"),
        "{err}"
    );
}

/// As `aclctl status | head` has it, once `head` has ended.
#[tokio::test]
async fn a_reader_that_has_gone_is_no_error() {
    let state = document(&json!({"name": "idle"}));
    let (bus, _agent) = stand_in(state, None).await;
    let address = bus.address.clone();
    let ran = tokio::task::spawn_blocking(move || {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        command(&address, "status").stdout(writer).run()
    });
    assert_eq!(ran.await.unwrap().unwrap(), b"");
}
