//! After an update the older release stays bootable, and `aclctl rollback` goes back to it.

use acl_tests::disk;
use acl_tests::journey;
use acl_tests::releases::Release;

#[test]
fn the_older_release_boots_on_request() -> anyhow::Result<()> {
    let (first, second) = (Release::First.version(), Release::Second.version());
    let committed = journey::committed()?;
    let both = [format!("acl_{first}.efi"), format!("acl_{second}.efi")];
    assert_eq!(disk::entries(&committed.disk)?, both);

    let site = journey::site("rollback")?;
    let mut node = committed.boot("rollback", site.handover()?)?;
    assert_eq!(node.running()?, second);
    // The machine goes down under the command: its answer may be lost.
    let _ = node.aclctl("rollback");
    node.wait_until_running(first, 1)?;
    Ok(())
}
