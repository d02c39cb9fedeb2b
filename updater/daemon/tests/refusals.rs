//! Bad input: each is told with what is wrong, where, and what to do, before anything is changed.

use std::sync::{Arc, Once};

use acl_host::file;
use serde_json::json;

use crate::{
    hold::{Hold, SlowServer, Watchdog},
    node::Node,
    site::Site,
};

/// Run once; the reason that is told. As [`untouched`], and the machine still boots what it ran.
fn refused(node: &Node, more: &[&str], code: i32) -> String {
    let told = untouched(node, more, code);
    assert_eq!(node.would_boot(), "1");
    told
}

/// Run once; the reason that is told. Nothing on the disk, and none of the boot entries, may have changed.
fn untouched(node: &Node, more: &[&str], code: i32) -> String {
    let state = state_untouched(node, more, code);
    assert_eq!(state["state"]["name"], "failed", "{state}");
    state["state"]["reason"].as_str().unwrap().to_owned()
}

/// Run once; why release 2, the only one, is passed over. As [`refused`].
fn passed_over(node: &Node, more: &[&str], code: i32) -> String {
    let state = state_untouched(node, more, code);
    assert_eq!(state["state"]["name"], "idle", "{state}");
    assert_eq!(state["update"], json!(null), "{state}");
    assert_eq!(state["unfit"][0]["version"], "2", "{state}");
    assert_eq!(node.would_boot(), "1");
    let told = state["decision"]["reason"].as_str().unwrap();
    told.strip_prefix("2 is passed over: ").unwrap().to_owned()
}

fn state_untouched(node: &Node, more: &[&str], code: i32) -> serde_json::Value {
    let disk = file::read(node.disk()).unwrap();
    let entries = node.entries();
    let ran = node.once_with(more);
    assert_eq!(ran.code, Some(code), "{}", ran.log);
    assert_eq!(node.entries(), entries);
    assert!(
        file::read(node.disk()).unwrap() == disk,
        "the disk was changed"
    );
    node.state()
}

#[test]
fn a_full_esp() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    let told = passed_over(&node, &["--esp-size", "400000"], 4);
    assert!(
        told.starts_with("the boot entry of the release does not fit: the EFI system partition at"),
        "{told}"
    );
    assert!(told.contains("is full"), "{told}");
    assert!(
        told.ends_with("; remove files that are not ACL's from it"),
        "{told}"
    );
    assert_eq!(node.once_with(&["--esp-size", "4000000"]).code, Some(0));
}

/// Whether it is made of the running one or fetched whole.
#[test]
fn a_kernel_image_that_boots_another_release() {
    for published in [&["1", "2"][..], &["2"]] {
        let site = Site::new();
        for version in published {
            site.publish(version);
        }
        assert_eq!(site.manifest("2").patches.len(), published.len() - 1);
        site.publish("3");
        let (second, third) = (site.manifest("2"), site.manifest("3"));
        let uki = serde_json::to_value(&third.artifacts.uki).unwrap();
        site.forge_manifest("2", |manifest| {
            manifest["artifacts"]["uki"] = uki;
            // A patch of the third release leads from the first to the third's kernel image.
            for (at, _) in second.patches.iter().enumerate() {
                let patch = &third
                    .patches
                    .iter()
                    .find(|from| from.version == second.patches[at].version);
                manifest["patches"][at]["uki"] = serde_json::to_value(&patch.unwrap().uki).unwrap();
            }
        });
        site.forge_channel(|channel| channel["releases"] = json!([Site::entry("2")]));
        let node = Node::new(&site);
        // What the first try has kept is no better when it is tried again, and it is not until then.
        for forgotten in [true, false, true] {
            let told = passed_over(&node, &[], 5);
            assert!(told.contains("it boots the root hash "), "{told}");
            assert!(told.ends_with("; its publisher must withdraw it"), "{told}");
            if forgotten {
                node.change_state(|state| state["unfit"] = json!([]));
            }
        }
    }
}

#[test]
fn a_disk_with_no_second_slot() {
    let site = Site::new();
    site.publish("2");
    let node = Node::with_slots(&site, 1);
    // What would boot is looked up among two slots.
    let told = untouched(&node, &[], 4);
    assert!(told.contains("has no partition USR-B"), "{told}");
    assert!(
        told.ends_with(", install it anew from a disk image"),
        "{told}"
    );
    assert_eq!(node.entries(), ["acl_1.efi"]);
}

#[test]
fn a_slot_too_small() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    let mut disk = std::fs::File::options()
        .read(true)
        .write(true)
        .open(node.disk())
        .unwrap();
    let mut table = gptman::GPT::read_from(&mut disk, 512).unwrap();
    table[4].ending_lba -= 3000;
    table.write_into(&mut disk).unwrap();
    drop(disk);
    let told = passed_over(&node, &[], 4);
    assert!(
        told.starts_with(
            "the usr of release 2 has 1572864 bytes and partition 4 of the slot has 561152"
        ),
        "{told}"
    );
    assert!(
        told.ends_with("; install the machine anew from a disk image with larger slots"),
        "{told}"
    );
}

#[test]
fn an_unreachable_server() {
    let site = Site::new();
    let node = Node::new(&site);
    node.put(
        "etc/acl/updater.d/20.toml",
        b"server = \"http://127.0.0.1:1/\"\n",
    );
    let told = refused(&node, &[], 4);
    let expected =
        "cannot reach http://127.0.0.1:1/metadata/2.root.json; check `server` and the network: ";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn too_little_memory() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    node.put(
        "proc/meminfo",
        b"MemTotal: 90000 kB\nMemAvailable: 40960 kB\n",
    );
    assert_eq!(
        refused(&node, &[], 4),
        "an update needs 48 MiB of memory, and 40 MiB are available; it is tried again at the next check"
    );
    node.put("proc/meminfo", b"MemAvailable: 49152 kB\n");
    assert_eq!(node.once().code, Some(0));
}

#[test]
fn a_server_that_lies_about_the_payload() {
    let site = Site::new();
    site.publish("2");
    let parts = site.manifest("2").artifacts;
    let unneeded = [parts.verity.plain(), parts.uki.comparable().1]
        .map(|form| [form.index, form.pack])
        .concat();
    for (flipped, node) in each_blob_flipped(&site) {
        let ran = node.once();
        if unneeded
            .iter()
            .any(|blob| blob.sha256.to_string() == flipped)
        {
            // The machine makes the tree itself, and has no patch.
            assert_eq!(ran.code, Some(0), "{flipped}: {}", ran.log);
            assert_eq!(node.boot(&site), "2");
            continue;
        }
        assert_eq!(ran.code, Some(5), "{flipped}: {}", ran.log);
        let state = node.state();
        let told = state["decision"]["reason"].as_str().unwrap();
        assert!(told.starts_with("2 is passed over: cannot fetch"), "{told}");
        assert!(told.contains(&flipped), "{flipped}: {told}");
        assert_eq!(state["decision"]["at_fault"], "server");
        assert_eq!(node.would_boot(), "1");
        assert_eq!(node.entries(), ["acl_1.efi"]);
    }
    let node = Node::new(&site);
    assert_eq!(node.once().code, Some(0));
}

/// A machine for each blob of the repository, which has one bit flipped until the next is asked for.
fn each_blob_flipped(site: &Site) -> impl Iterator<Item = (String, Node)> {
    let blobs = std::fs::read_dir(site.repository().join("blobs")).unwrap();
    let paths: Vec<_> = blobs.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), 10);
    let mut restore: Option<(std::path::PathBuf, Vec<u8>)> = None;
    paths
        .into_iter()
        .map(Some)
        .chain([None])
        .map_while(move |path| {
            if let Some((path, whole)) = restore.take() {
                file::write(path, &whole).unwrap();
            }
            let path = path?;
            let whole = file::read(&path).unwrap();
            let mut flipped = whole.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 1;
            file::write(&path, &flipped).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            restore = Some((path, whole));
            Some((name, Node::new(site)))
        })
}

#[test]
fn a_state_that_is_damaged() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    node.put(
        "var/lib/acl/updater/state.json",
        b"{\"schema\":1,\"state\":{\"na",
    );
    let disk = file::read(node.disk()).unwrap();
    let kept = node.root().join("var/lib/acl/updater/state.json.damaged");
    // The second time from what the first has kept.
    for _ in 0..2 {
        let ran = node.once();
        assert_eq!(ran.code, Some(0), "{}", ran.log);
        assert!(ran.log.contains("state: available 2"), "{}", ran.log);
        let state = node.state();
        let told = state["damage"].as_str().unwrap();
        assert!(
            told.contains("/state.json was damaged (EOF while parsing"),
            "{told}"
        );
        assert!(told.contains("until `aclctl retry` allows it"), "{told}");
        assert_eq!(file::read(&kept).unwrap(), b"{\"schema\":1,\"state\":{\"na");
        assert_eq!(node.entries(), ["acl_1.efi"]);
        assert!(file::read(node.disk()).unwrap() == disk, "the disk changed");
    }
}

#[test]
fn a_configuration_with_an_unknown_key() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    node.put("etc/acl/updater.d/20.toml", b"chanel = \"stable\"\n");
    let told = refused(&node, &[], 3);
    assert!(
        told.contains("etc/acl/updater.d/20.toml is not a configuration"),
        "{told}"
    );
    assert!(told.contains("unknown field `chanel`"), "{told}");
}

#[test]
fn a_root_of_trust_that_is_missing() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    std::fs::remove_file(node.root().join("etc/acl/trust/root.json")).unwrap();
    let told = refused(&node, &[], 3);
    assert!(told.contains("; install its 1.root.json: "), "{told}");
    assert!(told.contains("usr/share/acl/trust/root.json"), "{told}");
}

#[test]
fn a_machine_whose_own_boot_entry_is_gone_is_not_left_without_one() {
    let site = Site::new();
    site.publish("2");
    let node = Node::new(&site);
    node.once();
    std::fs::remove_file(node.root().join("efi/EFI/Linux/acl_1.efi")).unwrap();
    site.publish("3");
    let ran = node.once();
    assert_eq!(ran.code, Some(3), "{}", ran.log);
    assert_eq!(node.entries(), ["acl_2+3.efi"]);
    assert_eq!(node.would_boot(), "2");
}

#[test]
fn a_release_withdrawn_while_it_was_written_is_not_armed() {
    let site = Arc::new(Site::new());
    site.publish("2");
    let node = Node::new(&site);
    // Before its first byte is given: then it was checked, and is not written yet.
    let (withdrawn, publisher) = (Once::new(), site.clone());
    let server = SlowServer::new(site.repository(), move |path| {
        if path.starts_with("/blobs/") {
            withdrawn.call_once(|| publisher.withdraw("2", "eats data"));
        }
    });
    node.follow(&server.url());
    let ran = node.once();
    assert_eq!(ran.code, Some(5), "{}", ran.log);
    let told = node.state()["state"]["reason"].as_str().unwrap().to_owned();
    assert!(
        told.contains("was withdrawn by its publisher: eats data"),
        "{told}"
    );
    assert_eq!(node.entries(), ["acl_1.efi"]);
}

/// The server stands still in the middle of the write, so that nothing else ends it. What is
/// offered is looked at again every `check_interval`, of which 10 s is the shortest.
#[test]
fn a_release_withdrawn_while_it_is_written_is_written_no_further() {
    let site = Arc::new(Site::new());
    site.publish("2");
    let node = Node::new(&site);
    let hold = Arc::new(Hold::default());
    let pack = format!("/blobs/{}", site.manifest("2").artifacts.usr.pack.sha256);
    let (withdrawn, publisher, held) = (Once::new(), site.clone(), hold.clone());
    let server = SlowServer::new(site.repository(), move |path| {
        if path == pack {
            withdrawn.call_once(|| {
                publisher.withdraw("2", "eats data");
                held.shut();
            });
            held.pass();
        }
    });
    node.follow(&server.url());
    node.put("etc/acl/updater.d/20.toml", b"check_interval = \"10s\"\n");
    let watchdog = Watchdog::new(&hold);
    let ran = node.once();
    assert!(hold.is_shut(), "it waited for the server: {}", ran.log);
    drop(watchdog);
    hold.open();
    assert_eq!(ran.code, Some(5), "{}", ran.log);
    let failed = "effect=\"write\" phase=\"failed\"";
    assert!(ran.log.contains(failed), "{}", ran.log);
    let told = node.state()["state"]["reason"].as_str().unwrap().to_owned();
    assert!(
        told.contains("was withdrawn by its publisher: eats data"),
        "{told}"
    );
    assert_eq!(node.entries(), ["acl_1.efi"]);
}
