//! A server that falsifies what it serves is refused: the error names what was wrong, and the running slot and its
//! boot entry stay as they are. (Each file of a repository in turn is the business of the tests of `release`.)

use acl_tests::gate::Action;
use acl_tests::journey;
use acl_tests::node::Node;
use acl_tests::releases::Release;

/// What the server falsifies, as part of a path, and what has to be named. What is wrong with one release is its verdict;
/// here the channel has no other one, and then the repository is at fault.
/// The last two are blobs both: the index is the first that the machine asks for, the pack the first after it. `stage` has
/// the release tried again each time, whatever was found before.
const TABLE: [(&str, &str); 5] = [
    ("timestamp.json", "timestamp"),
    ("/targets/channels/", "stable"),
    ("/targets/releases/", "1.1.0 is passed over"),
    ("/blobs/", "the index of signature"),
    ("/blobs/", "chunk 0 of signature"),
];

#[test]
fn the_error_names_it_and_nothing_is_touched() -> anyhow::Result<()> {
    let site = journey::site("flipped")?;
    let mut node = journey::settled()?.boot("flipped", site.handover()?)?;
    let before = untouched(&mut node)?;
    for (path, named) in TABLE {
        site.gate.set_rule(move |asked, before| {
            if asked.contains(path)
                && !before
                    .iter()
                    .any(|earlier| earlier == asked && asked.contains("/blobs/"))
            {
                Action::Flip(40)
            } else {
                Action::Pass
            }
        });
        let refused = node.aclctl("stage")?;
        assert_eq!(refused.status, 5, "{path}: {}", refused.text);
        let told = refused
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(told.contains(named), "{path}: {told}");
        assert_eq!(untouched(&mut node)?, before, "{path}");
    }
    site.gate.open();
    let armed = node.stage()?;
    assert_eq!(armed.text("/state/version"), Release::Second.version());
    Ok(())
}

/// The boot entries, and a digest of the running slot.
fn untouched(node: &mut Node) -> anyhow::Result<(Vec<String>, String)> {
    let entries = node.entries()?;
    let slot = node.machine().ask(
        "head -c 64M /dev/disk/by-partlabel/USR-A | sha256sum; sha256sum < /dev/disk/by-partlabel/USR-A-VERITY",
    )?;
    Ok((entries, slot))
}
