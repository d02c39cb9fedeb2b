//! The agent killed at each of its effects: a whole release boots, and the next run finishes the update.

use crate::{node::Node, site::Site};

/// Whether a line of the log tells that an effect begins or ended.
fn tells_of_effect(line: &str) -> bool {
    line.contains("phase=\"start\"") || line.contains("phase=\"done\"")
}

#[test]
fn killed_at_every_effect_the_update_is_finished_on_the_next_try() {
    let site = Site::new();
    let updated = updated(&site);
    site.publish("3");
    let mut names = Vec::new();
    for kill_at in 0.. {
        let node = updated.copy();
        let mut seen = 0;
        let ran = node.run(&[], &mut |line| {
            seen += usize::from(tells_of_effect(line));
            seen > kill_at
        });
        let last = ran.log.lines().last().unwrap_or_default().to_owned();
        assert!(
            ["2", "3"].contains(&node.would_boot().as_str()),
            "after {last}"
        );
        assert!(
            node.entries_are_whole(),
            "after {last}: {:?}",
            node.entries()
        );
        if ran.code.is_some() {
            assert_eq!(ran.code, Some(0), "{}", ran.log);
            break;
        }
        names.push(last);
        let next = node.once();
        assert_eq!(
            next.code,
            Some(0),
            "killed at {:?}: {}",
            names.last(),
            next.log
        );
        assert_eq!(
            node.entries(),
            ["acl_2.efi", "acl_3+3.efi"],
            "{:?}",
            names.last()
        );
        assert_eq!(node.boot(&site), "3");
        node.bless();
        node.once();
        assert_eq!(
            node.state()["state"]["name"],
            "committed",
            "{:?}",
            names.last()
        );
    }
    for effect in [
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
    ] {
        for phase in ["start", "done"] {
            let told = format!("effect=\"{effect}\" phase=\"{phase}\"");
            assert!(
                names.iter().any(|line| line.contains(&told)),
                "never killed at {told}"
            );
        }
    }
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
    for kill_at in 0..30 {
        let mut seen = 0;
        let ran = node.run(&[], &mut |line| {
            seen += usize::from(tells_of_effect(line));
            seen > kill_at
        });
        node.would_boot();
        if ran.code.is_some() {
            break;
        }
    }
    assert_eq!(node.once().code, Some(0));
    assert_eq!(node.boot(&site), "2");
}
