//! The way of a release onto a machine and, when it is bad, off it again.

use serde_json::json;

use crate::{artifact, node::Node, site::Site};

#[test]
fn a_release_is_staged_armed_tried_and_committed() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let state = node.state();
    assert_eq!(state["state"], json!({"name": "armed", "version": "2"}));
    for told in ["staging 2: write done in ", "state: armed 2"] {
        assert!(ran.log.contains(told), "{}", ran.log);
    }
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
    let update = &state["update"];
    assert!(update["bytes_fetched"].as_u64().unwrap() > artifact::CHANGED as u64);
    let steps: Vec<_> = update["seconds"].as_object().unwrap().keys().collect();
    let expected = [
        "arm",
        "disarm",
        "flush",
        "name",
        "prepare",
        "read-back",
        "recheck",
        "write",
    ];
    assert_eq!(steps, expected);
    assert_eq!(
        update["packages"],
        json!([{"name": "linux", "from": "1", "to": "2"}])
    );

    assert_eq!(node.boot(&site), "2");
    node.once();
    assert_eq!(
        node.state()["state"],
        json!({"name": "on-trial", "from": "1", "to": "2"})
    );
    node.bless();
    // One that proved itself is not left.
    assert_eq!(node.go_back().code, Some(0));
    node.once();
    let state = node.state();
    assert_eq!(
        state["state"],
        json!({"name": "committed", "from": "1", "to": "2"})
    );
    assert_eq!(state["history"][0]["outcome"], "committed");
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2.efi"]);
}

#[test]
fn the_next_release_goes_to_the_first_slot_again() {
    let site = Site::new();
    let node = Node::new(&site);
    for version in ["2", "3", "4"] {
        site.publish(version);
        assert_eq!(node.once().code, Some(0));
        assert_eq!(node.boot(&site), version);
        node.bless();
    }
    node.once();
    assert_eq!(node.entries(), ["acl_3.efi", "acl_4.efi"]);
    let history = node.state()["history"].clone();
    let versions: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["to"])
        .collect();
    assert_eq!(versions, ["2", "3", "4"]);
}

#[test]
fn a_release_that_is_not_healthy_is_left_and_not_taken_again_but_a_newer_one_is() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    node.once();
    assert_eq!(node.boot(&site), "2");
    let report = json!({"version": "2", "checks": [
        {"name": "units", "seconds": 0.1, "problem": "failed: containerd.service"}]});
    node.put(
        "var/lib/acl/updater/health.json",
        report.to_string().as_bytes(),
    );
    assert_eq!(node.go_back().code, Some(0));
    assert_eq!(node.boot(&site), "1");
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let reason = "it was not healthy: units: failed: containerd.service";
    let state = node.state();
    assert_eq!(
        state["state"],
        json!({"name": "rolled-back", "from": "2", "to": "1", "reason": reason})
    );
    assert_eq!(
        state["refused"],
        json!([{"version": "2", "reason": reason}])
    );
    assert_eq!(
        state["decision"]["reason"],
        format!(
            "2 is not taken again on this node, because {reason}; `aclctl retry` allows it again"
        )
    );
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+0-1.efi"]);

    site.publish("3");
    node.once();
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
}

#[test]
fn a_slot_that_rots_after_staging_falls_back_by_its_tries() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    node.once();
    let table = acl_host::gpt::Table::read(node.disk()).unwrap();
    let usr_b = table.partitions()[3].range().start + 5000;
    let disk = acl_host::disk::Disk::open(node.disk()).unwrap();
    let mut byte = [0];
    disk.read_at(&mut byte, usr_b).unwrap();
    disk.write_at(&[byte[0] ^ 1], usr_b).unwrap();
    assert_eq!(node.boot(&site), "1");
}

#[test]
fn a_trial_whose_entries_cannot_be_read_is_left_as_well() {
    let site = Site::new();
    let node = Node::new(&site);
    std::fs::remove_dir_all(node.root().join("efi")).unwrap();
    let ran = node.go_back();
    assert_eq!(ran.code, Some(4), "{}", ran.log);
    assert!(
        ran.log.contains("cannot tell whether this is a trial"),
        "{}",
        ran.log
    );

    // The boot loader has counted this boot: attributes, then UTF-16.
    let counted = "\\EFI\\Linux\\acl_1+2-1.efi".encode_utf16();
    let counted: Vec<u8> = [6, 0, 0, 0]
        .into_iter()
        .chain(counted.flat_map(u16::to_le_bytes))
        .collect();
    node.put(
        "sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
        &counted,
    );
    let ran = node.go_back();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(ran.log.contains("start its machine again"), "{}", ran.log);
}
