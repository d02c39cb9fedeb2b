//! What is wrong with one release is told of that one; the others stay on offer.

use serde_json::{Value, json};

use crate::{node::Node, site::Site};

/// A repository with the releases 2 and 3, and a machine that runs release 1.
pub(crate) fn two() -> (Site, Node) {
    let site = Site::new();
    site.publish("2");
    site.publish("3");
    let node = Node::new(&site);
    (site, node)
}

/// Release 2 is taken, and the verdict of 3 begins like this.
#[track_caller]
fn two_is_taken(node: &Node, verdict: &str) {
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
    let decision = node.state()["decision"].clone();
    assert_eq!(
        decision["reason"],
        "2 is the newest release that this node may take"
    );
    let found = decision["verdicts"][0].as_str().unwrap();
    assert!(found.starts_with(verdict), "{found}");
    let verdicts = decision["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 2, "{verdicts:?}");
}

fn with_manifest(change: impl FnOnce(&mut Value), verdict: &str) {
    let (site, node) = two();
    site.forge_manifest("3", change);
    two_is_taken(&node, verdict);
}

#[test]
fn a_release_of_another_image() {
    with_manifest(
        |manifest| manifest["image_id"] = json!("other"),
        "3 is passed over: it is of the image \"other\", and this machine runs \"acl\"",
    );
}

#[test]
fn manifests_that_cannot_be_understood() {
    with_manifest(
        |manifest| manifest["artifacts"] = json!(7),
        "3 is passed over: releases/3/x86-64.json at http://",
    );
    with_manifest(
        |manifest| manifest["schema"] = json!(2),
        "3 is passed over: releases/3/x86-64.json at http://",
    );
    with_manifest(
        |manifest| manifest["version"] = json!("2"),
        "3 is passed over: releases/3/x86-64.json at http://",
    );
}

#[test]
fn manifests_that_say_nonsense() {
    with_manifest(
        |manifest| manifest["artifacts"]["usr"]["size"] = json!(0),
        "3 is passed over: its manifest says that usr has 0 bytes",
    );
    with_manifest(
        |manifest| manifest["artifacts"]["uki"]["size"] = json!(u64::MAX),
        "3 is passed over: its manifest says that uki has 18446744073709551615 bytes",
    );
    let (site, node) = two();
    let running = acl_host::file::read_to_string(node.root().join("proc/cmdline")).unwrap();
    let running = running.split("usrhash=").nth(1).unwrap()[..64].to_owned();
    site.forge_manifest("3", |manifest| manifest["root_hash"] = json!(running));
    let verdict = "3 is passed over: it has the root hash of the release that runs";
    two_is_taken(&node, verdict);
}

#[test]
fn a_manifest_that_the_server_has_damaged() {
    let (site, node) = two();
    let manifests = site.repository().join("targets/releases/3");
    for entry in std::fs::read_dir(manifests).unwrap() {
        acl_host::file::write(entry.unwrap().path(), b"{}").unwrap();
    }
    two_is_taken(&node, "3 is passed over: ");
    let decision = node.state()["decision"].clone();
    let verdict = decision["verdicts"][0].as_str().unwrap();
    assert!(verdict.contains("has SHA-256"), "{verdict}");
}

#[test]
fn a_patch_that_says_nonsense_is_done_without() {
    let site = Site::new();
    site.publish("1");
    site.publish("2");
    site.forge_manifest("2", |manifest| {
        let patch = &mut manifest["patches"][0];
        patch["usr"]["index"]["sha256"] = json!("7".repeat(64));
        patch["uki"]["base"]["size"] = json!(1);
    });
    let node = Node::new(&site);
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.boot(&site), "2");
}

#[test]
fn entries_of_a_channel_that_cannot_be_understood() {
    let (site, node) = two();
    site.forge_channel(|channel| channel["releases"][1]["floor"] = json!("../1"));
    let verdict = "3 is passed over: its entry cannot be understood: '../1' is not a version";
    two_is_taken(&node, verdict);

    let (site, node) = two();
    site.forge_channel(|channel| {
        let releases = channel["releases"].as_array_mut().unwrap();
        releases.insert(0, json!({"version": "../4"}));
    });
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
    let told = node.state()["decision"]["verdicts"][2].clone();
    let told = told.as_str().unwrap();
    let expected = "entry 1 of the channel cannot be understood: '../4' is not a version";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn a_release_that_a_channel_lists_twice_may_have_been_taken_back() {
    let (site, node) = two();
    site.withdraw("3", "eats data");
    site.forge_channel(|channel| {
        let releases = channel["releases"].as_array_mut().unwrap();
        releases.push(Site::entry("3"));
    });
    let verdict = "3 is passed over: its entry cannot be understood: the channel lists it 2 times";
    two_is_taken(&node, verdict);
}

#[test]
fn a_release_that_the_channel_offers_and_the_repository_does_not_have() {
    let (site, node) = two();
    site.forge_channel(|channel| {
        let releases = channel["releases"].as_array_mut().unwrap();
        releases[1] = Site::entry("4");
    });
    two_is_taken(&node, "4 is passed over: the repository at http://");
}

#[test]
fn when_nothing_fits_it_is_said_why_and_the_server_is_at_fault() {
    let site = Site::new();
    site.publish("2");
    site.forge_manifest("2", |manifest| manifest["image_id"] = json!("other"));
    let node = Node::new(&site);
    let ran = node.once();
    assert_eq!(ran.code, Some(5), "{}", ran.log);
    assert_eq!(node.state()["state"]["name"], "idle");
    assert_eq!(node.state()["decision"]["at_fault"], "server");
    assert_eq!(
        node.state()["decision"]["reason"],
        "2 is passed over: it is of the image \"other\", and this machine runs \"acl\""
    );
}

#[test]
fn any_number_of_releases_that_the_repository_does_not_have_hides_no_other() {
    let (site, node) = two();
    site.forge_channel(|channel| {
        let releases = channel["releases"].as_array_mut().unwrap();
        releases.extend((10..60).map(|number| Site::entry(&number.to_string())));
    });
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let verdicts = node.state()["decision"]["verdicts"].clone();
    let told = verdicts[49].as_str().unwrap();
    let expected = "10 is passed over: the repository at ";
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
}

#[test]
fn a_release_behind_many_that_do_not_fit_is_taken() {
    let (site, node) = two();
    site.forge_releases(10..42, |manifest| manifest["image_id"] = json!("other"));
    let ran = node.once();
    assert_eq!(ran.code, Some(5), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi"]);
    let verdicts = node.state()["decision"]["verdicts"].clone();
    let expected = "10 is passed over: it is of the image \"other\", and this machine runs \"acl\"";
    assert_eq!(verdicts[31], expected);
    let expected = "3 is passed over: 32 newer ones do not fit either";
    assert_eq!(verdicts[32], expected);

    let (site, node) = two();
    site.forge_releases(10..41, |manifest| manifest["image_id"] = json!("other"));
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
}

/// A machine with release 2 armed, whose manifest the server then damages or loses.
fn armed_without_manifest(damage: impl Fn(&std::path::Path)) -> (Site, Node) {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    assert_eq!(node.once().code, Some(0));
    assert_eq!(node.entries(), ["acl_1.efi", "acl_2+3.efi"]);
    site.publish("3");
    for entry in std::fs::read_dir(site.repository().join("targets/releases/2")).unwrap() {
        damage(&entry.unwrap().path());
    }
    (site, node)
}

#[test]
fn a_lost_or_damaged_manifest_of_the_armed_release_hides_no_newer_one() {
    let lose = |path: &std::path::Path| std::fs::remove_file(path).unwrap();
    let damage = |path: &std::path::Path| acl_host::file::write(path, b"{}").unwrap();
    for (site, node) in [armed_without_manifest(lose), armed_without_manifest(damage)] {
        let other = node.copy();
        let ran = node.once();
        assert_eq!(ran.code, Some(0), "{}", ran.log);
        assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
        // To boot what is armed, the repository must say that it may be booted.
        other.put(
            "etc/acl/updater.d/30-reboot.toml",
            b"[reboot]\nstrategy = \"immediate\"\n",
        );
        let ran = other.once();
        assert_eq!(ran.code, Some(5), "{}", ran.log);
        assert_eq!(other.entries(), ["acl_1.efi", "acl_2+3.efi"]);
        assert_eq!(other.state()["state"]["name"], "waiting");
        drop(site);
    }
}

#[test]
fn a_version_that_differs_only_in_case_from_one_on_the_esp() {
    let (site, node) = two();
    site.publish("3A");
    node.put("efi/EFI/Linux/acl_3a+0-3.efi", b"one that failed");
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_1.efi", "acl_3+3.efi"]);
    assert_eq!(
        node.state()["decision"]["verdicts"][0],
        "3A is passed over: the boot entry of 3a has the same name on the EFI system partition, which does not tell \
         upper from lower case"
    );
}

/// An older release that does not fit, or one whose entry cannot be understood, is no reason to complain.
#[test]
fn what_is_wrong_with_an_older_release_is_nobodys_fault() {
    let site = Site::new();
    site.publish("1");
    site.forge_channel(|channel| {
        let releases = channel["releases"].as_array_mut().unwrap();
        releases.push(json!({"version": "0", "starts": 7}));
    });
    let node = Node::new(&site);
    let ran = node.once();
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let decision = node.state()["decision"].clone();
    assert_eq!(decision["reason"], "1 runs already");
    assert_eq!(decision["at_fault"], json!(null));
}

/// The newest release is paused, and the one below is damaged: that is what is told.
#[test]
fn the_fault_is_told_and_not_what_is_paused() {
    let (site, node) = two();
    site.forge_manifest("2", |manifest| manifest["artifacts"] = json!(7));
    site.pause("3", true);
    let ran = node.once();
    assert_eq!(ran.code, Some(5), "{}", ran.log);
    let told = node.state()["decision"]["reason"].clone();
    let told = told.as_str().unwrap();
    assert!(told.starts_with("2 is passed over: "), "{told}");
}
