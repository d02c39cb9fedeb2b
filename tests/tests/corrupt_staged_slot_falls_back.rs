//! One byte of the staged slot goes bad after staging: verity stops the boot, and boot counting falls back.

use acl_tests::journey;
use acl_tests::node::TRIAL;
use acl_tests::releases::Release;
use acl_tests::{disk, machine::BOOT};

/// In the superblock of erofs, which is read at every mount.
const SUPERBLOCK: u64 = 1024;

#[test]
fn the_older_release_comes_back_after_three_tries() -> anyhow::Result<()> {
    let (first, second) = (Release::First.version(), Release::Second.version());
    let fresh = journey::armed()?.copy("corrupt-slot")?;
    disk::flip(
        &fresh.disk,
        disk::partition(&fresh.disk, "USR-B")?.start + SUPERBLOCK,
    )?;
    let site = journey::site("corrupt-slot")?;
    let machine = fresh.switch_on(site.handover()?)?;
    let mut from = 0;
    for _ in 0..3 {
        from = machine.wait_for(from, "is corrupted", BOOT)?;
        from = machine.wait_for(from, "Kernel panic", BOOT)?;
    }
    let mut node = acl_tests::node::Node::wait_for(machine)?;
    assert_eq!(node.running()?, first);
    let status = node.wait_for_state("rolled-back", TRIAL)?;
    assert_eq!(status.text("/state/from"), second);
    assert_eq!(status.text("/refused/0/version"), second);
    Ok(())
}
