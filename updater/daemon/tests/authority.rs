//! Who may ask for what: an ordinary user, a bus, and a stand-in for polkit.

use std::{sync::Arc, time::Duration};

use acl_host::{
    clock::SystemClock,
    error::chain,
    tool::{Tool, Tools},
};
use acl_updated::{
    agent::{Ground, Pace},
    bus::{Authority, NAME},
    machine::Machine,
    run,
};
use futures_util::StreamExt as _;
use zbus::fdo::DBusProxy;

use crate::{node::Node, private_bus::Bus, site::Site};

/// Calls a method of the agent as somebody who is not root; a test may well run as root.
const CALL: &str = r#"
set -- busctl --address="$1" call org.acl.Updater1 /org/acl/Updater1 org.acl.Updater1 "$2"
if [ "$(id -u)" = 0 ]; then set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; fi
exec "$@"
"#;

/// What an ordinary user gets who asks for `method`; without polkit, or with one that answers so. What polkit was asked.
async fn ask(method: &'static str, polkit: Option<bool>) -> (Result<(), String>, Vec<String>) {
    let site = Site::new();
    let node = Node::new(&site);
    let bus = Bus::start();
    let desk = bus.connect().await;
    let asked = match polkit {
        Some(allows) => Some(Bus::polkit(&desk, allows).await),
        None => None,
    };
    let connection = bus.connect().await;
    let authority = Authority::Polkit(connection.clone());
    let run = run::run(
        Some((connection, authority)),
        ground(&node),
        std::future::pending(),
    );
    let called = async {
        let names = DBusProxy::new(&desk).await.unwrap();
        let mut changes = names.receive_name_owner_changed().await.unwrap();
        while !names
            .name_has_owner(NAME.try_into().unwrap())
            .await
            .unwrap()
        {
            changes.next().await.unwrap();
        }
        let address = bus.address.clone();
        let call = move || {
            let shell = Tools::host().command(Tool::Shell);
            shell.args(["-c", CALL, "sh", &address, method]).run()
        };
        let ran = tokio::task::spawn_blocking(call).await.unwrap();
        ran.map(|_| ()).map_err(|error| chain(&error))
    };
    let called = tokio::select! {
        called = called => called,
        ended = run => panic!("the agent ended: {ended:?}"),
    };
    let asked = asked.map(|asked| std::mem::take(&mut *asked.lock().unwrap()));
    (called, asked.unwrap_or_default())
}

fn ground(node: &Node) -> Ground {
    Ground {
        machine: Arc::new(Machine {
            root: node.root(),
            disk: Some(node.disk()),
            ..Machine::default()
        }),
        clock: Arc::new(SystemClock),
        pace: Pace {
            first: Duration::from_secs(3600),
            retry: Duration::from_secs(3600),
        },
    }
}

const METHODS: [(&str, &str); 5] = [
    ("Check", "check"),
    ("Stage", "stage"),
    ("Apply", "apply"),
    ("Rollback", "rollback"),
    ("Retry", "retry"),
];

#[tokio::test]
async fn what_polkit_refuses_is_not_done() {
    for (method, verb) in METHODS {
        let (called, asked) = ask(method, Some(false)).await;
        let expected = format!(
            "you may not {verb}; ask as root, or get the right for org.acl.updater1.{verb}"
        );
        let error = called.unwrap_err();
        assert!(error.ends_with(&expected), "{error}");
        assert_eq!(asked, [format!("org.acl.updater1.{verb}")]);
    }
}

#[tokio::test]
async fn what_polkit_allows_is_done() {
    let (called, asked) = ask("Check", Some(true)).await;
    assert_eq!(called, Ok(()));
    assert_eq!(asked, ["org.acl.updater1.check"]);
}

#[tokio::test]
async fn without_polkit_nothing_is_done() {
    let (called, _) = ask("Check", None).await;
    let error = called.unwrap_err();
    let expected = "polkit cannot be asked whether you may: ";
    assert!(error.contains(expected), "{error}");
}
