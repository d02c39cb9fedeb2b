//! What becomes of a release after it was armed: no reboot that the agent asks for takes one that is not offered any more.

use serde_json::{Value, json};

use crate::{
    hold::SlowServer,
    node::{Node, Ran},
    site::Site,
};

const REBOOTS: &str = "effect=\"reboot\" phase=\"done\"";

/// A machine with release 2 armed.
fn armed(site: &Site) -> Node {
    site.publish("2");
    let node = Node::new(site);
    assert_eq!(node.once().code, Some(0));
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
    node
}

fn reboot(node: &Node, settings: &str) {
    let text = format!("[reboot]\nstrategy = \"immediate\"\n{settings}");
    node.put("etc/acl/updater.d/30-reboot.toml", text.as_bytes());
}

/// The release is disarmed, durably, and the machine says why.
#[track_caller]
fn is_disarmed(node: &Node, ran: &Ran, reason: &str) {
    assert!(!ran.log.contains(REBOOTS), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi"]);
    assert_eq!(node.would_boot(), "1");
    let disarmed = json!({"name": "disarmed", "version": "2", "reason": reason});
    let state = node.state();
    assert_eq!(state["state"], disarmed, "{}", ran.log);
    assert_eq!(state["update"], Value::Null);
    let told = format!("disarming 2, because {reason} done");
    assert!(ran.log.contains(&told), "{}", ran.log);
}

#[test]
fn a_check_disarms_a_release_that_was_withdrawn_since() {
    let site = Site::new();
    let node = armed(&site);
    site.withdraw("2", "eats data");
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    is_disarmed(&node, &ran, "2 was withdrawn by its publisher: eats data");
    // It is told until something else happens.
    node.once();
    assert_eq!(node.state()["state"]["name"], "disarmed");
    assert_eq!(node.state()["history"].as_array().unwrap().len(), 1);
}

#[test]
fn a_paused_release_is_disarmed_and_armed_again_when_it_goes_on() {
    let site = Site::new();
    let node = armed(&site);
    site.pause("2", true);
    let ran = node.once();
    is_disarmed(&node, &ran, "2 is paused by its publisher");
    site.pause("2", false);
    assert_eq!(node.once().code, Some(0));
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
}

#[test]
fn a_newer_release_takes_the_place_of_one_that_was_withdrawn() {
    let site = Site::new();
    let node = armed(&site);
    site.withdraw("2", "eats data");
    site.publish("3");
    assert_eq!(node.once().code, Some(0));
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
    assert_eq!(node.state()["history"][0]["outcome"], "disarmed");
}

#[test]
fn a_release_that_was_published_anew_with_other_content_is_disarmed() {
    let site = Site::new();
    let node = armed(&site);
    site.forge_manifest("2", |manifest| {
        manifest["root_hash"] = json!("7".repeat(64))
    });
    let ran = node.once();
    assert_eq!(ran.code, Some(5), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi"]);
    let reason = "2 was published anew with other content";
    assert_eq!(node.state()["history"][0]["reason"], reason);
}

#[test]
fn a_server_that_loses_the_manifest_of_the_armed_release_disarms_nothing() {
    let site = Site::new();
    let node = armed(&site);
    std::fs::remove_dir_all(site.repository().join("targets/releases/2")).unwrap();
    let ran = node.once();
    assert_eq!(ran.code, Some(5), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
}

#[test]
fn many_newer_releases_that_do_not_fit_disarm_nothing() {
    let site = Site::new();
    let node = armed(&site);
    site.forge_channel(|channel| {
        let releases = channel["releases"].as_array_mut().unwrap();
        releases.extend((10..30).map(|number| Site::entry(&number.to_string())));
    });
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
}

#[test]
fn a_release_that_was_published_anew_while_it_was_written_is_not_armed() {
    let site = Site::new();
    site.publish("2");
    let anew = |manifest: &mut Value| manifest["packages"] = json!([]);
    site.prepare(|| site.forge_manifest("2", anew));
    let node = Node::new(&site);
    let ran = node.run(&[], &mut |line| {
        if line.contains("effect=\"check\" phase=\"done\"") {
            site.show_prepared();
        }
        false
    });
    assert_eq!(ran.code, Some(5), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi"]);
    let told = "release 2 was published anew with other content; it is not armed";
    assert_eq!(node.state()["state"]["reason"], told);
}

#[test]
fn an_immediate_reboot_asks_first() {
    let site = Site::new();
    let node = armed(&site);
    reboot(&node, "");
    let other = node.copy();
    let ran = node.once();
    assert!(ran.log.contains(REBOOTS), "{}", ran.log);
    site.withdraw("2", "eats data");
    let ran = other.once();
    is_disarmed(&other, &ran, "2 was withdrawn by its publisher: eats data");
}

#[test]
fn a_release_withdrawn_while_it_was_armed_is_not_booted() {
    let site = Site::new();
    site.publish("2");
    site.prepare(|| site.withdraw("2", "eats data"));
    let node = Node::new(&site);
    reboot(&node, "");
    let ran = node.run(&[], &mut |line| {
        if line.contains("effect=\"arm\" phase=\"start\"") {
            site.show_prepared();
        }
        false
    });
    is_disarmed(&node, &ran, "2 was withdrawn by its publisher: eats data");
}

/// Nobody is at this address.
const NOBODY: &str = "http://127.0.0.1:1/";

#[test]
fn without_the_repository_a_reboot_waits_and_says_so() {
    let site = Site::new();
    let node = armed(&site);
    reboot(&node, "");
    node.follow(NOBODY);
    let ran = node.once();
    assert_eq!(ran.code, Some(4), "{}", ran.log);
    assert!(!ran.log.contains(REBOOTS), "{}", ran.log);
    let state = node.state();
    assert_eq!(state["state"]["name"], "waiting", "{state}");
    let reason = state["state"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("cannot reach http://127.0.0.1:1/"),
        "{reason}"
    );
    assert_eq!(state["state"]["since"], state["waits_since"]);
    let told = "state: waiting with the reboot into 2: cannot read the release repository";
    assert!(ran.log.contains(told), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);

    node.follow(&site.url());
    let ran = node.once();
    assert!(ran.log.contains(REBOOTS), "{}", ran.log);
}

#[test]
fn a_reboot_that_has_waited_too_long_is_given_up() {
    let site = Site::new();
    let node = armed(&site);
    reboot(&node, "wait_limit = \"2h\"");
    node.follow(NOBODY);
    let mut state = node.state();
    state["waits_since"] = json!(1_000_000);
    node.put(
        "var/lib/acl/updater/state.json",
        state.to_string().as_bytes(),
    );
    let ran = node.once();
    assert_eq!(ran.code, Some(4), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi"]);
    let history = node.state()["history"].clone();
    let reason = history[0]["reason"].as_str().unwrap();
    let told = "the repository did not say for 2 hours that it may still be booted: cannot read";
    assert!(reason.starts_with(told), "{reason}");
}

#[test]
fn without_the_repository_a_reboot_is_done_where_the_configuration_says_go() {
    let site = Site::new();
    let node = armed(&site);
    reboot(&node, "unreachable = \"go\"");
    // One that answers what is not right is not out of reach.
    node.follow(&format!("{}metadata/", site.url()));
    let ran = node.once();
    assert!(!ran.log.contains(REBOOTS), "{}", ran.log);
    assert_eq!(node.state()["state"]["name"], "waiting");
    node.follow(NOBODY);
    let ran = node.once();
    assert!(ran.log.contains(REBOOTS), "{}", ran.log);
}

/// The channel alone says that the release was taken back: what else the server does not give, such
/// as the manifest of a newer release, does not hide it. Else `go` would boot it.
#[test]
fn a_release_that_was_taken_back_is_disarmed_though_a_newer_manifest_cannot_be_fetched() {
    type TakeBack = fn(&Site);
    let ways: [(TakeBack, &str); 2] = [
        (
            |site| site.withdraw("2", "eats data"),
            "2 was withdrawn by its publisher: eats data",
        ),
        (|site| site.pause("2", true), "2 is paused by its publisher"),
    ];
    for (take_back, reason) in ways {
        let site = Site::new();
        let node = armed(&site);
        reboot(&node, "unreachable = \"go\"");
        take_back(&site);
        site.publish("3");
        let server = SlowServer::out_of_order(site.repository(), |path| {
            path.starts_with("/targets/releases/3/")
        });
        node.follow(&server.url());
        let ran = node.once();
        assert!(!ran.log.contains(REBOOTS), "{}", ran.log);
        assert_eq!(node.entries(), ["acl_1.efi"], "{}", ran.log);
        assert_eq!(node.state()["history"][0]["reason"], reason);
        // What there is instead is not known: the server gives no manifest.
        assert_eq!(ran.code, Some(5), "{}", ran.log);
    }
}
