//! An EFI system partition without room for the next boot entry is told before anything is changed.

use acl_tests::journey;
use acl_tests::releases::Release;

#[test]
fn it_is_told_and_nothing_is_touched() -> anyhow::Result<()> {
    let site = journey::site("full-esp")?;
    let mut node = journey::settled()?.boot("full-esp", site.handover()?)?;
    let entries = node.entries()?;
    let partitions = "lsblk --noheadings --raw --output NAME,PARTLABEL,PARTUUID /dev/vda";
    let before = node.machine().ask(partitions)?;
    let esp = node
        .machine()
        .ask("[ -d /efi/EFI ] && echo /efi || echo /boot")?;
    node.machine().run(&format!(
        "dd if=/dev/zero of={esp}/filler bs=1M 2>/dev/null; sync"
    ))?;

    let refused = node.aclctl("stage")?;
    assert_eq!(refused.status, 4, "{}", refused.text);
    let told = refused
        .text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let begins = "the boot entry of the release does not fit: the EFI system partition at";
    assert!(told.contains(begins), "{told}");
    assert!(told.contains("is full"), "{told}");
    assert_eq!(node.entries()?, entries);
    assert_eq!(node.machine().ask(partitions)?, before);

    node.machine().ask(&format!("rm {esp}/filler"))?;
    let armed = node.stage()?;
    assert_eq!(armed.text("/state/version"), Release::Second.version());
    Ok(())
}
