//! What a machine has is not fetched: of the running release, and of an update that was interrupted.

use acl_host::{disk::Disk, file, gpt::Table};
use acl_release::manifest::{Blob, Manifest, Part};

use crate::{
    node::{Node, Ran},
    site::Site,
};

/// A repository that has releases 1 and 2, and a machine that runs release 1.
fn pair() -> (Site, Node, Manifest) {
    let site = Site::new();
    site.publish("1");
    site.publish("2");
    let node = Node::new(&site);
    let manifest = site.manifest("2");
    (site, node, manifest)
}

pub(crate) fn fetched(node: &Node) -> u64 {
    node.state()["update"]["bytes_fetched"].as_u64().unwrap()
}

/// The bytes of all lists that are fetched whatever the machine has.
pub(crate) fn lists(manifest: &Manifest) -> u64 {
    let (parts, patch) = (&manifest.artifacts, &manifest.patches[0]);
    let uki = parts.uki.comparable().1.index;
    [
        parts.usr.index,
        patch.usr.index,
        uki,
        patch.uki.index,
        parts.signature.index,
    ]
    .iter()
    .map(|blob| blob.size)
    .sum()
}

fn takes_it(site: &Site, node: &Node, ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(node.boot(site), "2");
}

#[test]
fn a_machine_of_the_release_before_fetches_what_changed() {
    let (site, node, manifest) = pair();
    assert_eq!(manifest.artifacts.uki.comparable().0.len(), 1);
    let ran = node.once();
    let bytes = manifest.patched_size(&manifest.patches[0]);
    assert_eq!((fetched(&node), ran.code), (bytes, Some(0)), "{}", ran.log);
    assert!(bytes < manifest.download_size() / 4, "{bytes}");
    takes_it(&site, &node, &ran);
    // Nothing is left of what it was made with.
    assert!(!node.root().join("var/lib/acl/updater/staging").exists());
}

#[test]
fn a_running_slot_that_is_damaged_is_made_up_for() {
    let (site, node, manifest) = pair();
    let start = Table::read(node.disk()).unwrap().partitions()[0]
        .range()
        .start;
    let disk = Disk::open(node.disk()).unwrap();
    for place in [5000, 700_000] {
        disk.write_at(b"rot", start + place).unwrap();
    }
    let ran = node.once();
    assert!(fetched(&node) > manifest.patched_size(&manifest.patches[0]));
    takes_it(&site, &node, &ran);
}

#[test]
fn a_running_kernel_image_that_is_another_is_fetched_whole() {
    let (site, node, manifest) = pair();
    let path = "efi/EFI/Linux/acl_1.efi";
    let mut image = file::read(node.root().join(path)).unwrap();
    *image.last_mut().unwrap() ^= 1;
    node.put(path, &image);
    let ran = node.once();
    let told = format!("{path} has SHA-256 ");
    assert!(ran.log.contains(&told), "{}", ran.log);
    assert!(fetched(&node) > manifest.artifacts.uki.pack.size);
    takes_it(&site, &node, &ran);
}

/// What a node can do without, it does without.
#[test]
fn a_kernel_image_whose_unpacked_form_is_gone_is_fetched_whole() {
    let lists: fn(&Manifest) -> Vec<Blob> = |of| vec![of.artifacts.uki.comparable().1.index];
    let packs: fn(&Manifest) -> Vec<Blob> = |of| {
        let form = of.artifacts.uki.comparable().1;
        vec![form.pack, of.patches[0].uki.pack]
    };
    for lost in [lists, packs] {
        let (site, node, manifest) = pair();
        for blob in lost(&manifest) {
            let path = format!("blobs/{}", blob.sha256);
            std::fs::remove_file(site.repository().join(path)).unwrap();
        }
        let ran = node.once();
        let told = "the whole kernel image is fetched: ";
        assert!(ran.log.contains(told), "{}", ran.log);
        assert!(fetched(&node) > manifest.artifacts.uki.pack.size);
        takes_it(&site, &node, &ran);
    }
}

#[test]
fn an_unknown_release_gives_what_is_recognised() {
    let site = Site::new();
    site.publish("2");
    let manifest = site.manifest("2");
    assert_eq!(manifest.patches, []);
    let node = Node::new(&site);
    let ran = node.once();
    let most = manifest.download_size() - manifest.artifacts.usr.pack.size / 2;
    assert!(fetched(&node) < most, "{} {most}", fetched(&node));
    takes_it(&site, &node, &ran);
}

#[test]
fn what_an_interrupted_update_has_fetched_is_kept() {
    let (site, node, manifest) = pair();
    let ran = node.run(&[], &mut |line| {
        line.contains("effect=\"write\" phase=\"done\"")
    });
    assert_eq!(ran.code, None, "{}", ran.log);
    let ran = node.once();
    assert!(
        ran.log.contains("an earlier try has begun to write"),
        "{}",
        ran.log
    );
    let signature = manifest.artifacts.part(Part::Signature).pack.size;
    let bytes = fetched(&node);
    assert!(
        bytes <= lists(&manifest) + signature,
        "{bytes}: {}",
        ran.log
    );
    takes_it(&site, &node, &ran);
}

/// What is there is worth nothing without its digest.
#[test]
fn what_an_interrupted_update_has_fetched_is_looked_at_again() {
    let (site, node, _) = pair();
    node.run(&[], &mut |line| {
        line.contains("effect=\"write\" phase=\"done\"")
    });
    let start = Table::read(node.disk()).unwrap().partitions()[3]
        .range()
        .start;
    let disk = Disk::open(node.disk()).unwrap();
    disk.write_at(b"torn", start + 300_000).unwrap();
    let staging = node.root().join("var/lib/acl/updater/staging");
    for name in ["signature", "uki"] {
        let path = staging.join(name);
        let mut bytes = file::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        file::scratch(&path, &bytes).unwrap();
    }
    let rubbish = file::read(staging.join("uki")).unwrap();
    file::scratch(staging.join("uki.unpacked"), &rubbish).unwrap();
    let ran = node.once();
    takes_it(&site, &node, &ran);
}
