//! The agent killed at each of its effects: a whole release boots, and the next run finishes the update.

use crate::{
    node::{Node, Ran},
    site::Site,
};

/// Whether a line of the log tells that an effect begins or ended.
fn tells_of_effect(line: &str) -> bool {
    line.contains("phase=\"start\"") || line.contains("phase=\"done\"")
}

#[test]
fn killed_at_every_effect_the_update_is_finished_on_the_next_try() {
    let site = Site::new();
    let updated = updated(&site);
    site.publish("3");
    let mut killed_at = Vec::new();
    for number in 0.. {
        let node = updated.copy();
        let ran = run_until(&node, number);
        let last = ran.log.lines().last().unwrap_or_default().to_owned();
        boots_whole(&node, &last);
        if ran.code.is_some() {
            assert_eq!(ran.code, Some(0), "{}", ran.log);
            break;
        }
        finishes(&site, &node, &last);
        killed_at.push(last);
    }
    for effect in EFFECTS {
        for phase in ["start", "done"] {
            let told = format!("effect=\"{effect}\" phase=\"{phase}\"");
            let killed = killed_at.iter().any(|line| line.contains(&told));
            assert!(killed, "never killed at {told}");
        }
    }
}

/// The effects of an update.
const EFFECTS: [&str; 10] = [
    "check",
    "prepare",
    "disarm",
    "write",
    "flush",
    "read-back",
    "name",
    "recheck",
    "arm",
    "save",
];

/// Run the agent and kill it once its log has told of so many beginnings and ends of effects.
fn run_until(node: &Node, told: usize) -> Ran {
    let mut seen = 0;
    node.run(&[], &mut |line| {
        seen += usize::from(tells_of_effect(line));
        seen > told
    })
}

fn boots_whole(node: &Node, last: &str) {
    let version = node.would_boot();
    assert!(["2", "3"].contains(&version.as_str()), "after {last}");
    let entries = node.entries();
    assert!(node.entries_are_whole(), "after {last}: {entries:?}");
}

fn finishes(site: &Site, node: &Node, last: &str) {
    let next = node.once();
    assert_eq!(next.code, Some(0), "killed at {last}: {}", next.log);
    assert_eq!(node.entries(), ["acl_2.efi", "acl_3+3.efi"], "{last}");
    assert_eq!(node.boot(site), "3");
    node.bless();
    node.once();
    assert_eq!(node.state()["state"]["name"], "committed", "{last}");
}

/// A machine that runs release 2, so that the slot to be overwritten holds release 1 and its entry.
fn updated(site: &Site) -> Node {
    site.publish("2");
    let node = Node::new(site);
    node.once();
    node.boot(site);
    node.bless();
    node.once();
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2.efi"]);
    node
}

#[test]
fn killed_again_and_again_it_still_finishes() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    for number in 0..30 {
        let ran = run_until(&node, number);
        node.would_boot();
        if ran.code.is_some() {
            break;
        }
    }
    assert_eq!(node.once().code, Some(0));
    assert_eq!(node.boot(&site), "2");
}
