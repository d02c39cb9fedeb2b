//! What a disk has kept of an interrupted update is not fetched again.

use acl_host::{disk::Disk, file, gpt::Table, slot};
use acl_release::manifest::Manifest;

use super::{STORY, fate::Fate, random::Random, scratch, story::Story};
use crate::{
    node::Node,
    small::{fetched, lists},
};

const CUTS: u64 = 120;

/// Of the cuts, so many leave a slot that has all of the file system, and the release that ran.
const LEAST: usize = 10;

#[test]
fn a_file_system_that_the_disk_has_kept_is_not_fetched_again() {
    let story = &*STORY;
    let episode = &story.chapter("staging over the older release").episode;
    let manifest = story.site.manifest("3");
    let mut resumed = 0;
    for number in 0..CUTS {
        let mut random = Random::new(11, number);
        let after = random.below(episode.records.len() + 1);
        let machine = scratch();
        let cut = episode.cut(after, &mut Fate::new(random, false));
        cut.write(machine.path());
        let node = Node::at(machine.path());
        if !has_usr(story, &node) || story.releases.boot(&node).as_deref() != Ok("2") {
            continue;
        }
        resumed += 1;
        let most = most(story, &node, &manifest);
        node.runs(&story.site, "2");
        node.follow(&story.site.url());
        let ran = node.once();
        let place = episode.place(after);
        assert_eq!(ran.code, Some(0), "{place}: {}", ran.log);
        let bytes = fetched(&node);
        assert!(bytes <= most, "{place}: {bytes} of {most}: {}", ran.log);
    }
    println!("{resumed} of {CUTS} had the file system");
    assert!(resumed >= LEAST, "{resumed}");
}

/// Whether the slot that is written has the whole file system of release 3.
fn has_usr(story: &Story, node: &Node) -> bool {
    let expected = file::read(story.site.build("3").join("acl_3.usr.erofs")).unwrap();
    let Ok(table) = Table::read(node.disk()) else {
        return false;
    };
    let [a, _] = slot::both(&table).unwrap();
    let mut found = vec![0; expected.len()];
    let disk = Disk::open_read_only(node.disk()).unwrap();
    disk.read_at(&mut found, a.usr.range().start).unwrap();
    found == expected
}

/// The lists, the signature, and of the kernel image what the patch has, unless all of it was kept.
fn most(story: &Story, node: &Node, manifest: &Manifest) -> u64 {
    let kept = file::read(node.root().join("var/lib/acl/updater/staging/uki"));
    let has_image = kept.is_ok_and(|image| story.releases.version_of(&image) == Some("3"));
    let image = match has_image {
        true => 0,
        false => manifest.patches[0].uki.pack.size,
    };
    lists(manifest) + manifest.artifacts.signature.pack.size + image
}
