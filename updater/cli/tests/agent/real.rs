//! The verbs with the real agent, on a machine that is a directory; polkit says yes or no.

use std::fs::{File, Permissions};
use std::io::pipe;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acl_host::clock::SystemClock;
use acl_host::{Tool, Tools, file};
use acl_updated::agent::{Ground, Pace};
use acl_updated::bus::{Authority, NAME};
use acl_updated::machine::Machine;
use acl_updated::run;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use zbus::Connection;
use zbus::fdo::DBusProxy;

use crate::private_bus::Bus;
use crate::{VERBS, said, typed};

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
pub(crate) async fn serve<F>(allows: bool, machine: Machine, test: F)
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
