//! The agent of a machine that runs, on a bus on which systemd-timedated is played: what waits for
//! the time, and what is remembered of it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use acl_host::tool::Running;
use tokio::sync::{Semaphore, mpsc::UnboundedReceiver};
use zbus::{Connection, interface, proxy::CacheProperties};

use crate::{node::Node, over_the_bus::UpdaterProxy, private_bus::Bus, site::Site};

const BEGINS: &str = "effect=\"check\" phase=\"start\"";
const ENDS: &str = "effect=\"check\" phase=\"done\"";

/// A test that hangs fails after this.
const HANGS: Duration = Duration::from_secs(120);

/// Plays `org.freedesktop.timedate1`.
struct TimeDate {
    synchronised: Arc<AtomicBool>,
    /// A permit for each question.
    asked: Arc<Semaphore>,
}

#[interface(name = "org.freedesktop.timedate1")]
impl TimeDate {
    #[zbus(property, name = "NTPSynchronized")]
    fn is_synchronised(&self) -> bool {
        self.asked.add_permits(1);
        self.synchronised.load(Ordering::SeqCst)
    }
}

/// A bus on which the time is synchronised once it is said to be.
struct Time {
    bus: Bus,
    desk: Connection,
    synchronised: Arc<AtomicBool>,
    asked: Arc<Semaphore>,
}

impl Time {
    async fn new(synchronised: bool) -> Self {
        let bus = Bus::start();
        let desk = bus.connect().await;
        let synchronised = Arc::new(AtomicBool::new(synchronised));
        let asked = Arc::new(Semaphore::new(0));
        let played = TimeDate {
            synchronised: synchronised.clone(),
            asked: asked.clone(),
        };
        let path = "/org/freedesktop/timedate1";
        desk.object_server().at(path, played).await.unwrap();
        desk.request_name("org.freedesktop.timedate1")
            .await
            .unwrap();
        Self {
            bus,
            desk,
            synchronised,
            asked,
        }
    }

    /// Ends when it was asked so often that an agent that does not wait would have checked: that is
    /// after five seconds, and an agent asks once a second.
    async fn passes(&self) {
        let asked = tokio::time::timeout(HANGS, self.asked.acquire_many(9));
        asked.await.unwrap().unwrap().forget();
    }
}

/// An agent at work.
struct Agent {
    node: Node,
    lines: UnboundedReceiver<String>,
    log: String,
    _running: Running,
}

impl Agent {
    fn start(node: Node, time: &Time, wait: &str, more: &[&str]) -> Self {
        let text = format!("time_sync_wait = \"{wait}\"\n");
        node.put("etc/acl/updater.d/20-time.toml", text.as_bytes());
        let (running, lines) = node.serve_here(&time.bus.address, more);
        Self {
            node,
            lines,
            log: String::new(),
            _running: running,
        }
    }

    /// Reads its log up to a line.
    async fn tells(&mut self, text: &str) {
        while !self.log.contains(text) {
            let line = tokio::time::timeout(HANGS, self.lines.recv()).await;
            let Some(line) = line.ok().flatten() else {
                panic!("it never said {text}: {}", self.log);
            };
            self.log.push_str(&line);
            self.log.push('\n');
        }
    }

    /// Whether it has begun a check by now.
    fn has_checked(&mut self) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        self.log.contains(BEGINS)
    }

    /// The time that it remembers.
    fn remembered(&self) -> PathBuf {
        self.node.root().join("var/lib/acl/updater/tuf/time")
    }
}

/// A machine whose update was interrupted: the start takes it up.
fn interrupted(site: &Site) -> Node {
    let node = Node::new(site);
    let ran = node.run(&[], &mut |line| {
        line.contains("effect=\"write\" phase=\"start\"")
    });
    assert_eq!(ran.code, None, "{}", ran.log);
    node
}

#[tokio::test]
async fn no_check_of_its_own_is_made_before_the_time_is_synchronised() {
    let site = Site::new();
    site.publish("2");
    for node in [Node::new(&site), interrupted(&site)] {
        let time = Time::new(false).await;
        let mut agent = Agent::start(node, &time, "1h", &["--no-bus"]);
        time.passes().await;
        assert!(!agent.has_checked(), "{}", agent.log);
        time.synchronised.store(true, Ordering::SeqCst);
        agent.tells(ENDS).await;
        // A time that was known to be right.
        assert!(agent.remembered().exists(), "{}", agent.log);
    }
}

#[tokio::test]
async fn the_wait_has_a_limit_and_a_time_that_may_be_wrong_is_not_remembered() {
    let site = Site::new();
    let time = Time::new(false).await;
    let mut agent = Agent::start(Node::new(&site), &time, "1s", &["--no-bus"]);
    agent
        .tells("the time is not synchronised after 1 s; releases are looked for all the same")
        .await;
    agent.tells(ENDS).await;
    assert!(!agent.remembered().exists(), "{}", agent.log);
}

#[tokio::test]
async fn what_is_asked_for_does_not_wait() {
    let site = Site::new();
    site.publish("2");
    let time = Time::new(false).await;
    Bus::polkit(&time.desk, true).await;
    let mut agent = Agent::start(interrupted(&site), &time, "1h", &[]);
    agent
        .tells("the first check waits until the time is synchronised")
        .await;
    assert!(!agent.has_checked(), "{}", agent.log);
    let updater = UpdaterProxy::builder(&time.desk).cache_properties(CacheProperties::No);
    let updater = updater.build().await.unwrap();
    updater.check().await.unwrap();
    agent.tells(ENDS).await;
}
