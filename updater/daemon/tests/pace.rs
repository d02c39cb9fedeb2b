//! How often an agent that fails tries again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use acl_host::clock::SystemClock;
use acl_updated::{
    agent::{self, Ends, Ground, Pace, Shown},
    machine::Machine,
};
use tokio::sync::{mpsc, watch};

use crate::{node::Node, site::Site};

const RETRY: Duration = Duration::from_millis(40);

/// The check succeeds each time; the step after it fails each time, for a reason that is not the release's own.
#[tokio::test]
async fn what_fails_after_the_check_is_tried_less_and_less_often() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    node.put("var/lib/acl/updater/staging", b"no directory");
    let ground = Ground {
        machine: Arc::new(Machine {
            root: node.root(),
            disk: Some(node.disk()),
            ..Machine::default()
        }),
        clock: Arc::new(SystemClock),
        pace: Pace {
            first: Duration::ZERO,
            retry: RETRY,
        },
    };
    let (_ask, asks) = mpsc::channel(1);
    let (shown, show) = watch::channel(Shown::default());
    let pauses = tokio::select! {
        ended = agent::run(ground, Ends { asks, shown }, std::future::pending()) => panic!("the agent ended: {ended:?}"),
        pauses = pauses(show) => pauses,
    };
    // A machine that is busy makes a pause longer, never shorter; the half is for the moment of noticing.
    let wanted = [1, 2, 4, 8].map(|factor| RETRY * factor / 2);
    for (pause, wanted) in pauses.iter().zip(wanted) {
        assert!(*pause >= wanted, "{pauses:?}");
    }
}

/// The first pauses between a failure and the check after it.
async fn pauses(mut show: watch::Receiver<Shown>) -> [Duration; 4] {
    let mut pauses = [Duration::ZERO; 4];
    for pause in &mut pauses {
        until(&mut show, "failed").await;
        let failed = Instant::now();
        until(&mut show, "checking").await;
        *pause = failed.elapsed();
    }
    pauses
}

async fn until(show: &mut watch::Receiver<Shown>, state: &str) {
    let wanted = format!("{{\"name\":\"{state}\"");
    show.wait_for(|shown| shown.state.contains(&wanted))
        .await
        .unwrap();
}
