//! ROOT is as large as the disk: made so at the first boot, and grown when the disk was enlarged.

use acl_host::gpt::{Table, kind};
use acl_tests::handover::Handover;
use acl_tests::journey::Fresh;
use acl_tests::node::TRIAL;

const MIB: u64 = 1 << 20;
/// The room that the recipe leaves for ROOT.
const LEAST: u64 = 2048 * MIB;

#[test]
fn at_the_first_boot_and_when_the_disk_was_enlarged() -> anyhow::Result<()> {
    let fresh = Fresh::copy("root-grows")?;
    let root = || -> anyhow::Result<_> {
        let partitions = Table::read(&fresh.disk)?.partitions();
        Ok(partitions.into_iter().find(|part| part.kind == kind::ROOT))
    };
    assert!(root()?.is_none());

    let mut size = 0;
    for (boot, larger) in [("first", 3072), ("second", 1024)] {
        let mut node = fresh.clone().enlarge(larger)?.boot(Handover::default())?;
        node.wait_for_state("idle", TRIAL)?;
        let machine = node.machine();
        let file_system: u64 = machine.ask("findmnt -bno SIZE /")?.parse()?;
        assert_eq!(machine.ask("findmnt -no FSTYPE /")?, "ext4");
        machine.ask(&format!("echo {boot} >> /var/boots; sync"))?;
        let boots = machine.ask("cat /var/boots")?;
        assert_eq!(boots.lines().last(), Some(boot));
        assert_eq!(boots.lines().count(), if boot == "first" { 1 } else { 2 });
        node.shut_down()?;

        let root = root()?.expect("there is a ROOT");
        assert_eq!((root.index, root.label.as_str()), (8, "ROOT"));
        size += larger * MIB;
        let all = LEAST + size;
        // Up to a MiB at the end is the second table and what alignment leaves.
        assert!(
            (all..=all + MIB).contains(&root.length),
            "{} of {all}",
            root.length
        );
        // ext4 keeps some for its own tables.
        assert!(file_system > all / 100 * 95, "{file_system} of {all}");
    }
    Ok(())
}
