//! While a disk or a server stands still, at whichever effect, the bus answers and the agent can be ended.

use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::sync::oneshot;
use tracing::{Dispatch, dispatcher};
use zbus::proxy::CacheProperties;

use crate::{
    hold::{Hold, SlowServer, Trap, Watchdog},
    node::Node,
    over_the_bus::{UpdaterProxy, agent},
    powercuts::{Mounted, Volume},
    site::Site,
};

/// What is asked for.
#[derive(Clone, Copy)]
enum Verb {
    Stage,
    Rollback,
}

/// The effects that the disk can hold up, and what leads to them.
const AT_THE_DISK: [(&str, Verb); 11] = [
    ("check", Verb::Stage),
    ("save", Verb::Stage),
    ("prepare", Verb::Stage),
    ("disarm", Verb::Stage),
    ("write", Verb::Stage),
    ("flush", Verb::Stage),
    ("read-back", Verb::Stage),
    ("name", Verb::Stage),
    ("recheck", Verb::Stage),
    ("arm", Verb::Stage),
    ("mark-bad", Verb::Rollback),
];

/// Those that the server can hold up.
const AT_THE_SERVER: [&str; 4] = ["check", "prepare", "write", "recheck"];

/// A machine with an older release, as far as its boot entries say.
fn node(site: &Site) -> Node {
    let node = Node::new(site);
    node.put("efi/EFI/Linux/acl_0.efi", b"an older release");
    node
}

#[test]
fn a_disk_that_stands_still_holds_up_neither_the_bus_nor_the_end() {
    let site = Site::new();
    site.publish("2");
    let volume = Volume::read(node(&site).dir());
    for (effect, verb) in AT_THE_DISK {
        let mounted = Mounted::new(volume.clone());
        let node = Node::at(mounted.path());
        let runtime = ends(&node, (effect, verb), mounted.hold());
        mounted.hold().open();
        // What waited for the disk goes no further.
        drop(runtime);
        assert!(node.entries_are_whole_but("acl_0.efi"), "{effect}");
    }
}

/// The same where the disk is at fault while a release is disarmed that was taken back.
#[test]
fn a_disk_that_stands_still_at_a_disarming_holds_up_neither_the_bus_nor_the_end() {
    let site = Site::new();
    site.publish("2");
    let armed = Node::new(&site);
    assert_eq!(armed.once().code, Some(0));
    site.withdraw("2", "eats data");
    let mounted = Mounted::new(Volume::read(armed.dir()));
    let node = Node::at(mounted.path());
    let runtime = ends(&node, ("disarm-armed", Verb::Stage), mounted.hold());
    mounted.hold().open();
    drop(runtime);
    assert!(node.entries_are_whole());
}

#[test]
fn a_server_that_stands_still_holds_up_neither_the_bus_nor_the_end() {
    let site = Site::new();
    site.publish("2");
    for effect in AT_THE_SERVER {
        let (node, hold) = (node(&site), Arc::new(Hold::default()));
        let slow = hold.clone();
        let server = SlowServer::new(site.repository(), move |_| slow.pass());
        node.follow(&server.url());
        let runtime = ends(&node, (effect, Verb::Stage), &hold);
        // Every thread ends without the server's going on.
        let watchdog = Watchdog::new(&hold);
        drop(runtime);
        assert!(hold.is_shut(), "a thread waited for the server at {effect}");
        drop(watchdog);
        hold.open();
    }
}

/// Has the agent do what leads to an effect, at which the hold is shut; sees that the bus answers, and ends the agent. Its
/// threads may be left.
fn ends(
    node: &Node,
    (effect, verb): (&'static str, Verb),
    hold: &Arc<Hold>,
) -> tokio::runtime::Runtime {
    let _watchdog = Watchdog::new(hold);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let log = Dispatch::new(Trap::new(effect, hold));
    dispatcher::with_default(&log, || runtime.block_on(held(node, (effect, verb), hold)));
    assert!(hold.is_shut(), "the agent ended late at {effect}");
    runtime
}

async fn held(node: &Node, (effect, verb): (&str, Verb), hold: &Hold) {
    let (stop, stopped) = oneshot::channel::<()>();
    let (client, run) = agent(node, async { drop(stopped.await) }).await;
    let updater = UpdaterProxy::builder(&client).cache_properties(CacheProperties::No);
    let updater = updater.build().await.unwrap();
    let ask = async {
        let asked = match verb {
            Verb::Stage => updater.stage().await,
            Verb::Rollback => updater.rollback().await,
        };
        asked.unwrap();
        std::future::pending().await
    };
    let look = async {
        hold.met().await;
        let state = updater.state().await.unwrap();
        assert!(hold.is_shut(), "the bus answered late at {effect}");
        assert!(state.contains("\"busy\":"), "{state}");
        stop.send(()).unwrap();
        std::future::pending().await
    };
    tokio::select! {
        ended = run => ended.unwrap(),
        () = ask => {}
        () = look => {}
    }
}

/// The real program, told to end while one of its threads waits for a file that gives nothing.
#[test]
fn the_program_ends_though_a_thread_waits_for_the_disk() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    let kept = node.root().join("var/lib/acl/updater/staging/uki");
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    mknodat(CWD, &kept, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut running = node.serve();
    // Opened once the agent has opened it to read, and nothing is ever written.
    let writer = std::fs::File::options().write(true).open(&kept).unwrap();
    running.terminate().unwrap();
    let limit = std::time::Duration::from_secs(120);
    let ended = running.wait(limit).unwrap();
    let ended = ended.expect("an end without the file's giving anything");
    assert_eq!(ended.code(), Some(0));
    drop(writer);
}
