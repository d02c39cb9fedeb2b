//! A release that proves to be damaged while it is staged: the others stay on offer, and it is not tried again and again.

use std::path::PathBuf;

use acl_host::{clock::Clock as _, clock::SystemClock, file};
use acl_release::manifest::Part;
use serde_json::{Value, json};

use crate::{
    fit::two,
    node::Node,
    over_the_bus::{check, stage},
    site::Site,
};

/// The artifact of release 3 is that of release 2.
fn swap(site: &Site, parts: &[Part]) {
    let of_two = serde_json::to_value(site.manifest("2").artifacts).unwrap();
    site.forge_manifest("3", |manifest| {
        for part in parts {
            manifest["artifacts"][part.as_str()] = of_two[part.as_str()].clone();
        }
    });
}

/// Where the server has what a part of release 3 is made of.
fn pack(site: &Site, part: Part) -> PathBuf {
    let form = site.manifest("3").artifacts.part(part).plain();
    let name = form.pack.sha256.to_string();
    site.repository().join("blobs").join(name)
}

fn flip(path: &PathBuf) {
    let mut bytes = file::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    file::write(path, &bytes).unwrap();
}

/// Whether the agent began to stage release 3.
fn tries_three(log: &str) -> bool {
    log.contains("staging 3: prepare")
}

/// Run once: release 2 is armed, and the verdict of 3 begins like this. The log.
#[track_caller]
fn two_is_armed(node: &Node, verdict: &str) -> String {
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"], "{}", ran.log);
    let state = node.state();
    let reason = "2 is the newest release that this node may take";
    assert_eq!(state["decision"]["reason"], reason);
    assert_eq!(state["decision"]["at_fault"], json!(null));
    let told = state["decision"]["verdicts"][0].as_str().unwrap();
    assert!(told.starts_with(verdict), "{told}");
    assert_eq!(state["unfit"].as_array().unwrap().len(), 1, "{state}");
    assert_eq!(state["unfit"][0]["version"], "3");
    assert_eq!(state["unfit"][0]["who"], "server");
    ran.log
}

/// What its publisher signed is wrong: nothing but another manifest, or the operator, has it tried again.
fn signed_wrong(parts: &[Part], verdict: &str) {
    let (site, node) = two();
    swap(&site, parts);
    assert!(tries_three(&two_is_armed(&node, verdict)));
    assert_eq!(node.state()["unfit"][0]["since"], json!(null));
    assert!(!tries_three(&two_is_armed(&node, verdict)));
    // The others go on, also when they come later.
    site.publish("2.1");
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2.1+3.efi"]);
    assert!(!tries_three(&ran.log));
    assert_eq!(node.boot(&site), "2.1");
}

#[test]
fn a_kernel_image_of_another_release() {
    signed_wrong(
        &[Part::Uki],
        "3 is passed over: the kernel image of release 3 is refused: it boots the root hash ",
    );
}

#[test]
fn a_signature_of_another_release() {
    signed_wrong(
        &[Part::Signature],
        "3 is passed over: the signature of release 3 is of the root hash ",
    );
}

#[test]
fn a_file_system_of_another_release() {
    signed_wrong(
        &[Part::Usr, Part::Verity],
        "3 is passed over: the file system of release 3 does not have the root hash that the manifest says; its \
         publisher must withdraw it: ",
    );
}

/// The part of release 3 has a size for which this machine has no room: 2 is taken, and whoever keeps the machine must act.
fn has_no_room(part: Part, more: &[&str], verdict: &str) {
    let (site, node) = two();
    site.forge_manifest("3", |manifest| {
        manifest["artifacts"][part.as_str()]["size"] = json!(1_u64 << 30);
    });
    let ran = node.once_with(more);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
    let state = node.state();
    assert_eq!(state["unfit"][0]["who"], "environment");
    let found = state["decision"]["verdicts"][0].as_str().unwrap();
    assert!(found.starts_with(verdict), "{found}");
}

#[test]
fn a_release_that_does_not_fit_into_the_slot() {
    let verdict = "3 is passed over: the usr of release 3 has 1073741824 bytes";
    has_no_room(Part::Usr, &[], verdict);
}

#[test]
fn a_release_whose_kernel_image_does_not_fit_into_the_esp() {
    let verdict = "3 is passed over: the boot entry of the release does not fit: ";
    has_no_room(Part::Uki, &["--esp-size", "4000000"], verdict);
}

#[test]
fn another_manifest_has_it_tried_again() {
    let (site, node) = two();
    let right = serde_json::to_value(site.manifest("3").artifacts).unwrap();
    swap(&site, &[Part::Uki]);
    two_is_armed(&node, "3 is passed over: ");
    site.forge_manifest("3", |manifest| manifest["artifacts"] = right);
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
    assert_eq!(node.state()["unfit"], json!(null));
    assert_eq!(node.boot(&site), "3");
}

const SERVED: [Part; 3] = [Part::Signature, Part::Usr, Part::Uki];

/// The server may mend it without its publisher, so it is tried again, but not at each check.
#[test]
fn a_part_that_the_server_has_damaged() {
    for part in SERVED {
        let (site, node) = two();
        flip(&pack(&site, part));
        let verdict = "3 is passed over: cannot fetch the release: ";
        assert!(tries_three(&two_is_armed(&node, verdict)), "{part}");
        let since = node.state()["unfit"][0]["since"].as_i64().unwrap();
        let now = SystemClock.now().as_millisecond();
        assert!((now - 3_600_000..=now).contains(&since), "{since}, {now}");
        assert!(!tries_three(&two_is_armed(&node, verdict)), "{part}");
        // What is armed is not given up for another try, however long it waits for its reboot.
        let long_ago = since - 6 * 3_600_000;
        node.change_state(|state| state["unfit"][0]["since"] = json!(long_ago));
        assert!(!tries_three(&two_is_armed(&node, verdict)), "{part}");
        assert_eq!(node.boot(&site), "2");
        node.bless();
        flip(&pack(&site, part));
        let ran = node.once();
        assert_eq!(node.entries(), ["acl_2.efi", "acl_3+3.efi"], "{}", ran.log);
    }
}

#[test]
fn a_part_that_the_server_does_not_have() {
    let (site, node) = two();
    std::fs::remove_file(pack(&site, Part::Uki)).unwrap();
    two_is_armed(&node, "3 is passed over: cannot fetch the release: ");
    let told = node.state()["unfit"][0]["reason"].clone();
    assert!(told.as_str().unwrap().contains("404"), "{told}");
}

/// Nothing keeps the machine from trying it again: there is nothing else to take.
#[test]
fn the_only_release_is_tried_again_once_the_server_may_have_mended_it() {
    for part in SERVED {
        let site = Site::new();
        site.publish("3");
        let node = Node::new(&site);
        flip(&pack(&site, part));
        for _ in 0..2 {
            let ran = node.once();
            assert_eq!(ran.code, Some(5), "{}", ran.log);
            assert!(tries_three(&ran.log));
            let state = node.state();
            assert_eq!(state["state"], json!({"name": "idle"}));
            assert_eq!(state["decision"]["at_fault"], "server");
        }
        flip(&pack(&site, part));
        let ran = node.once();
        assert_eq!(ran.code, Some(0), "{}", ran.log);
        assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
        assert_eq!(node.state()["unfit"], json!(null));
    }
}

#[test]
fn the_only_release_that_is_signed_wrong_is_not_tried_again() {
    let site = Site::new();
    site.publish("2");
    site.publish("3");
    swap(&site, &[Part::Uki]);
    site.withdraw("2", "eats data");
    let node = Node::new(&site);
    for first in [true, false] {
        let ran = node.once();
        assert_eq!(ran.code, Some(5), "{}", ran.log);
        assert_eq!(tries_three(&ran.log), first, "{}", ran.log);
        let verdicts = node.state()["decision"]["verdicts"].clone();
        let expected = "2 was withdrawn by its publisher: eats data";
        assert_eq!(verdicts[1], expected);
    }
}

#[test]
fn a_mirror_that_has_it_whole_is_asked_first() {
    let (site, node) = two();
    let mirror = site.freeze();
    let mirrors = format!("mirrors = [\"{}\"]\n", mirror.url());
    node.put("etc/acl/updater.d/20-mirrors.toml", mirrors.as_bytes());
    for part in SERVED {
        flip(&pack(&site, part));
    }
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
    assert_eq!(node.state()["unfit"], json!(null));
}

/// A disk that cannot be written to says nothing about the release.
#[test]
fn what_the_machine_lacks_is_no_verdict() {
    let (_site, node) = two();
    node.put("var/lib/acl/updater/staging", b"no directory");
    let ran = node.once();
    assert_eq!(ran.code, Some(4), "{}", ran.log);
    let state: Value = node.state();
    assert_eq!(state["state"]["name"], "failed");
    assert_eq!(state["unfit"], json!(null));
}

/// Who stages by hand wants it tried again; who only looks does not.
#[tokio::test]
async fn the_operator_has_it_tried_again() {
    let (site, node) = two();
    flip(&pack(&site, Part::Uki));
    two_is_armed(&node, "3 is passed over: cannot fetch the release: ");
    flip(&pack(&site, Part::Uki));
    let shown = check(&node).await;
    assert_eq!(shown["decision"]["version"], "2");
    assert_eq!(shown["unfit"][0]["version"], "3");
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
    let shown = stage(&node).await;
    assert_eq!(shown["state"], json!({"name": "armed", "version": "3"}));
    assert_eq!(shown.get("unfit"), None);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
}
