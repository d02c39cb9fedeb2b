//! Somebody changes the kernel image on the ESP: firmware refuses it, and boot counting falls back.

use acl_tests::journey;
use acl_tests::node::{Node, TRIAL};
use acl_tests::releases::Release;
use acl_tests::{disk, machine::BOOT};

#[test]
fn the_older_release_comes_back() -> anyhow::Result<()> {
    let (first, second) = (Release::First.version(), Release::Second.version());
    let fresh = journey::armed()?.copy("tampered-uki")?;
    disk::flip_esp_file(&fresh.disk, &format!("EFI/Linux/acl_{second}+3.efi"))?;
    let site = journey::site("tampered-uki")?;
    let machine = fresh.switch_on(site.handover()?)?;
    let mut from = 0;
    for _ in 0..3 {
        from = machine.wait_for(from, "Access denied", BOOT)?;
    }
    let mut node = Node::wait_for(machine)?;
    assert_eq!(node.running()?, first);
    let status = node.wait_for_state("rolled-back", TRIAL)?;
    assert_eq!(status.text("/state/from"), second);
    assert_eq!(status.text("/refused/0/version"), second);
    Ok(())
}
