//! The D-Bus object over a socket pair: requests, properties, signals, errors.

use std::{os::unix::net::UnixStream, sync::Arc, time::Duration};

use acl_host::clock::SystemClock;
use acl_updated::{
    agent::{Ground, Pace},
    bus::Authority,
    machine::Machine,
    run,
};
use serde_json::Value;
use zbus::{
    Connection, Guid, connection::Builder, fdo::PropertiesProxy, proxy, proxy::CacheProperties,
};

use crate::{node::Node, site::Site};

#[proxy(
    interface = "org.acl.Updater1",
    default_service = "org.acl.Updater1",
    default_path = "/org/acl/Updater1",
    gen_blocking = false
)]
pub(crate) trait Updater {
    fn check(&self) -> zbus::Result<()>;
    fn stage(&self) -> zbus::Result<()>;
    fn rollback(&self) -> zbus::Result<()>;
    fn retry(&self) -> zbus::Result<()>;
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn progress(&self) -> zbus::Result<(u64, u64)>;
}

/// Both ends of a connection.
pub(crate) async fn pair() -> (Connection, Connection) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    for end in [&ours, &theirs] {
        end.set_nonblocking(true).unwrap();
    }
    let stream = |end| tokio::net::UnixStream::from_std(end).unwrap();
    let server = Builder::unix_stream(stream(ours))
        .server(Guid::from_static_str("0123456789abcdef0123456789abcdef").unwrap())
        .unwrap()
        .p2p()
        .build();
    let client = Builder::unix_stream(stream(theirs)).p2p().build();
    tokio::try_join!(server, client).unwrap()
}

/// The agent on `node` until `shutdown` ends, and a client's connection to it.
pub(crate) async fn agent(
    node: &Node,
    shutdown: impl Future<Output = ()>,
) -> (Connection, impl Future<Output = Result<(), run::Error>>) {
    let (server, client) = pair().await;
    let ground = Ground {
        machine: Arc::new(Machine {
            root: node.root(),
            disk: Some(node.disk()),
            ..Machine::default()
        }),
        clock: Arc::new(SystemClock),
        // Nothing by itself: what is tested is what is asked for.
        pace: Pace {
            first: Duration::from_secs(3600),
            retry: Duration::from_secs(3600),
        },
    };
    let run = run::run(Some((server, Authority::Peer)), ground, shutdown);
    (client, run)
}

async fn state(updater: &UpdaterProxy<'_>) -> Value {
    serde_json::from_str(&updater.state().await.unwrap()).unwrap()
}

/// Wait by signals until the agent is at rest.
async fn rest(updater: &UpdaterProxy<'_>) -> Value {
    use futures_util::StreamExt as _;
    let properties = PropertiesProxy::builder(updater.inner().connection())
        .destination("org.acl.Updater1")
        .unwrap()
        .path("/org/acl/Updater1")
        .unwrap()
        .build();
    let properties = properties.await.unwrap();
    let mut changes = properties.receive_properties_changed().await.unwrap();
    loop {
        let state = state(updater).await;
        if state["busy"] == false {
            return state;
        }
        changes.next().await.unwrap();
    }
}

/// Ask for a rollback, and wait until the agent has done it.
pub(crate) async fn roll_back(node: &Node) {
    with_agent(node, async |updater| {
        updater.rollback().await.unwrap();
        rest(&updater).await;
    })
    .await;
}

/// Ask for a check; what is shown when it has ended.
pub(crate) async fn check(node: &Node) -> Value {
    let mut shown = Value::Null;
    with_agent(node, async |updater| {
        updater.check().await.unwrap();
        shown = rest(&updater).await;
    })
    .await;
    shown
}

/// Ask for a release to be staged; what is shown when that has ended.
pub(crate) async fn stage(node: &Node) -> Value {
    let mut shown = Value::Null;
    with_agent(node, async |updater| {
        updater.stage().await.unwrap();
        shown = rest(&updater).await;
    })
    .await;
    shown
}

async fn with_agent<F: AsyncFnOnce(UpdaterProxy<'_>)>(node: &Node, test: F) {
    let (client, run) = agent(node, std::future::pending()).await;
    let tested = async {
        // What is read after a request must not be what was signalled before it.
        let updater = UpdaterProxy::builder(&client)
            .cache_properties(CacheProperties::No)
            .build();
        let updater = updater.await.unwrap();
        test(updater).await;
    };
    tokio::select! {
        () = tested => {}
        ended = run => panic!("the agent ended: {ended:?}"),
    }
}

#[tokio::test]
async fn check_finds_and_stage_arms() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    with_agent(&node, async |updater| {
        updater.check().await.unwrap();
        let found = rest(&updater).await;
        assert_eq!(found["state"]["name"], "available");
        assert_eq!(found["running"], "1");
        assert_eq!(
            found["decision"]["reason"],
            "2 is the newest release that this node may take"
        );
        updater.stage().await.unwrap();
        let armed = rest(&updater).await;
        assert_eq!(armed["state"]["name"], "armed", "{armed}");
        assert_eq!(updater.progress().await.unwrap(), (0, 0));
    })
    .await;
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
}

#[tokio::test]
async fn what_cannot_be_done_is_an_error_that_says_who_must_act() {
    let site = Site::new();
    let node = Node::new(&site);
    with_agent(&node, async |updater| {
        let error = updater.rollback().await.unwrap_err();
        let zbus::Error::MethodError(name, Some(text), _) = error else {
            panic!("{error}");
        };
        assert_eq!(name.as_str(), "org.acl.Updater1.Error.Operator");
        assert_eq!(
            text,
            "there is no boot entry of an older release to go back to"
        );
    })
    .await;
}

#[tokio::test]
async fn a_rollback_is_done_though_the_check_before_it_fails() {
    let site = Site::new();
    let node = Node::new(&site);
    node.put("efi/EFI/Linux/acl_0.efi", b"an older release");
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!("server = \"http://{}/\"\n", server.local_addr().unwrap());
    node.put("etc/acl/updater.d/10-site.toml", text.as_bytes());
    with_agent(&node, async |updater| {
        updater.check().await.unwrap();
        // The check is under way until it is answered.
        let (mut asked, _) = server.accept().await.unwrap();
        updater.retry().await.unwrap_err();
        // That answer is not this one's.
        updater.check().await.unwrap();
        updater.rollback().await.unwrap();
        let no = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut asked, no)
            .await
            .unwrap();
        drop((asked, server));
        let state = rest(&updater).await;
        assert_eq!(state["refused"][0]["version"], "1", "{state}");
    })
    .await;
    assert_eq!(node.entries(), ["acl_0.efi", "acl_1+0.efi"]);
    assert_eq!(node.state()["state"]["name"], "going-back");
}

#[tokio::test]
async fn a_wrong_configuration_is_seen_on_the_bus() {
    let site = Site::new();
    let node = Node::new(&site);
    node.put("etc/acl/updater.d/20.toml", b"chanel = \"stable\"\n");
    with_agent(&node, async |updater| {
        let state = rest(&updater).await;
        assert_eq!(state["state"]["name"], "failed", "{state}");
        assert_eq!(state["state"]["who"], "operator");
    })
    .await;
}

#[tokio::test]
async fn a_retry_takes_releases_again_after_the_state_was_damaged() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    node.put("var/lib/acl/updater/state.json", b"{");
    with_agent(&node, async |updater| {
        let damage = state(&updater).await["damage"].clone();
        assert!(damage.as_str().unwrap().contains("was damaged"), "{damage}");
        updater.retry().await.unwrap();
        let armed = rest(&updater).await;
        assert_eq!(armed["state"]["name"], "armed", "{armed}");
        assert_eq!(armed.get("damage"), None);
    })
    .await;
}

/// "2 runs already" is not shown on release 1.
#[tokio::test]
async fn what_another_release_decided_is_not_shown_after_a_rollback() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    assert_eq!(node.once().code, Some(0));
    assert_eq!(node.boot(&site), "2");
    node.bless();
    let shown = check(&node).await;
    assert_eq!(shown["decision"]["reason"], "2 runs already");
    assert_eq!(shown["decided"]["release"], "2");
    roll_back(&node).await;
    assert_eq!(node.boot(&site), "1");
    with_agent(&node, async |updater| {
        let shown = rest(&updater).await;
        assert_eq!(shown["running"], "1");
        assert_eq!(shown["state"]["name"], "rolled-back", "{shown}");
        assert_eq!(shown["decision"], Value::Null);
        assert_eq!(shown.get("decided"), None);
    })
    .await;
    let shown = check(&node).await;
    assert_eq!(shown["decided"]["release"], "1");
    let told = shown["decision"]["reason"].as_str().unwrap();
    assert!(
        told.starts_with("2 is not taken again on this node"),
        "{told}"
    );
}
