//! What an operator applied, and what a reboot that waits says.

use serde_json::json;

use crate::{node::Node, site::Site};

const REBOOTS: &str = "effect=\"reboot\" phase=\"done\"";

/// Nobody is at this address.
const NOBODY: &str = "http://127.0.0.1:1/";

/// A machine with release 2 armed, whose agent does nothing by itself.
fn armed(site: &Site) -> Node {
    site.publish("2");
    let node = Node::new(site);
    assert_eq!(node.once().code, Some(0));
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
    set(&node, "automatic = \"off\"\n");
    node
}

fn set(node: &Node, settings: &str) {
    node.put("etc/acl/updater.d/30-set.toml", settings.as_bytes());
}

/// A reboot waits since a second after 1970; for the operator, if `applies`.
fn waits(node: &Node, applies: bool) {
    let mut state = node.state();
    state["waits_since"] = json!(1000);
    state["applies"] = json!(applies);
    let state = state.to_string();
    node.put("var/lib/acl/updater/state.json", state.as_bytes());
}

#[test]
fn what_was_applied_is_booted_once_the_repository_answers_though_nothing_is_automatic() {
    let site = Site::new();
    let node = armed(&site);
    let other = node.copy();
    waits(&node, true);
    let ran = node.once();
    assert!(ran.log.contains(REBOOTS), "{}", ran.log);
    // Nobody asked for this one.
    waits(&other, false);
    let ran = other.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(!ran.log.contains("effect=\"check\""), "{}", ran.log);
    assert_eq!(other.entries(), ["acl_1.efi", "acl_2+3.efi"]);
}

#[test]
fn what_was_applied_does_not_wait_for_ever_though_nothing_is_automatic() {
    let site = Site::new();
    let node = armed(&site);
    node.follow(NOBODY);
    waits(&node, true);
    let ran = node.once();
    assert!(!ran.log.contains(REBOOTS), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi"], "{}", ran.log);
    assert_eq!(node.state()["history"][0]["outcome"], "disarmed");
}

#[test]
fn a_reboot_that_waits_says_who_must_act() {
    let site = Site::new();
    let node = armed(&site);
    set(&node, "[reboot]\nstrategy = \"immediate\"\n");
    let [operator, environment, server] = [node.copy(), node.copy(), node.copy()];
    operator.put("etc/acl/ca.pem", b"no certificate");
    let ca = operator.root().join("etc/acl/ca.pem");
    let ca = format!("ca = {ca:?}\n[reboot]\nstrategy = \"immediate\"\n");
    set(&operator, &ca);
    environment.follow(NOBODY);
    server.follow(&format!("{}metadata/", site.url()));
    for (node, who, code) in [
        (operator, "operator", 3),
        (environment, "environment", 4),
        (server, "server", 5),
    ] {
        let ran = node.once();
        assert_eq!(ran.code, Some(code), "{}", ran.log);
        let state = node.state()["state"].clone();
        assert_eq!(state["name"], "waiting", "{state}");
        assert_eq!(state["who"], who, "{state}");
    }
}
