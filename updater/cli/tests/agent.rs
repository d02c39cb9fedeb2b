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
#[path = "agent/real.rs"]
mod real;
#[path = "agent/repository.rs"]
mod repository;
#[path = "../../daemon/tests/site.rs"]
#[expect(dead_code, reason = "the agent's own tests use all of it")]
mod site;
#[path = "agent/stand_in.rs"]
mod stand_in;
#[path = "../../../release/tests/uki.rs"]
mod uki;

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use acl_host::{Tool, Tools, file};
use private_bus::Bus;

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
