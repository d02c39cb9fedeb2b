//! Slots are found from the kernel command line and the partitions, and from nothing else.

use std::fs::OpenOptions;
use std::path::PathBuf;

use acl_host::cmdline::Cmdline;
use acl_host::gpt::{Table, kind};
use acl_host::guid::Guid;
use acl_host::slot::{self, Slot, Slots};
use acl_host::verity::RootHash;
use acl_host::{Error, Who};

struct Fixture {
    path: PathBuf,
    _temp: tempfile::TempDir,
}

/// The partitions of a machine as the image comes: slot A filled, slot B empty.
fn as_delivered() -> Vec<(Guid, &'static str, Guid)> {
    vec![
        (kind::ESP, "ESP", Guid([1; 16])),
        (kind::USR, "USR-A", running().usr_guid()),
        (kind::USR_VERITY, "USR-A-VERITY", running().verity_guid()),
        (kind::USR_VERITY_SIG, "USR-A-SIG", Guid([4; 16])),
        (kind::USR, "_empty", Guid([5; 16])),
        (kind::USR_VERITY, "_empty", Guid([6; 16])),
        (kind::USR_VERITY_SIG, "_empty", Guid([7; 16])),
        (kind::ROOT, "ROOT", Guid([8; 16])),
    ]
}

/// The root hash of what runs; its halves differ, as no two partitions may have one GUID.
fn running() -> RootHash {
    let mut bytes = [0xa1; 32];
    bytes[16..].fill(3);
    RootHash(bytes)
}

impl Fixture {
    fn new(partitions: &[(Guid, &str, Guid)]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("disk.raw");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.set_len(1 << 20).unwrap();
        let mut gpt = gptman::GPT::new_from(&mut file, 512, [9; 16]).unwrap();
        for (index, (kind, label, guid)) in (1..).zip(partitions) {
            gpt[index] = gptman::GPTPartitionEntry {
                partition_type_guid: kind.to_disk(),
                unique_partition_guid: guid.to_disk(),
                starting_lba: 40 + u64::from(index) * 8,
                ending_lba: 47 + u64::from(index) * 8,
                attribute_bits: 0,
                partition_name: (*label).into(),
            };
        }
        gpt.write_into(&mut file).unwrap();
        Self { path, _temp: temp }
    }

    fn table(&self) -> Table {
        Table::read(&self.path).unwrap()
    }

    fn find(&self) -> acl_host::Result<Slots> {
        Slots::find(&self.table(), &booted_from(&running()))
    }

    fn text(&self) -> String {
        let text = self.find().unwrap_err().to_string();
        text.replace(&self.path.display().to_string(), "DISK")
    }
}

fn booted_from(hash: &RootHash) -> Cmdline {
    Cmdline::parse(&format!("quiet usrhash={hash}"))
}

#[test]
fn the_running_slot_and_the_other() {
    let fixture = Fixture::new(&as_delivered());
    let slots = fixture.find().unwrap();
    assert_eq!((slots.running.slot, slots.other.slot), (Slot::A, Slot::B));
    let indexes =
        |slot: &slot::SlotPartitions| [slot.usr.index, slot.verity.index, slot.signature.index];
    assert_eq!(indexes(&slots.running), [2, 3, 4]);
    assert_eq!(indexes(&slots.other), [5, 6, 7]);
    assert_eq!(slots.other.usr.range(), 80 * 512..88 * 512);
    assert!(slots.other.is_empty() && !slots.running.is_empty());
    assert!(slots.running.holds(&running()) && !slots.other.holds(&running()));
}

#[test]
fn after_an_update_the_slots_have_changed_their_roles() {
    let fixture = Fixture::new(&as_delivered());
    let next = RootHash(*b"0123456789abcdefABCDEFGHIJKLMNOP");
    let mut table = fixture.table();
    let slots = fixture.find().unwrap();
    slots.other.name_for(&mut table, &next).unwrap();
    // Until the table is written, the disk is as it was.
    assert!(fixture.find().unwrap().other.is_empty());
    table.write().unwrap();

    let still = fixture.find().unwrap();
    assert_eq!(still.running, slots.running);
    assert!(still.other.holds(&next));
    let labels = [
        still.other.usr.label,
        still.other.verity.label,
        still.other.signature.label,
    ];
    assert_eq!(labels, Slot::B.labels());

    let after = Slots::find(&fixture.table(), &booted_from(&next)).unwrap();
    assert_eq!((after.running.slot, after.other.slot), (Slot::B, Slot::A));
    assert_eq!(after.other, slots.running);
}

#[test]
fn labels_say_which_slot_and_not_the_order() {
    let mut partitions = as_delivered();
    for (partition, label) in partitions[4..7].iter_mut().zip(Slot::A.labels()) {
        partition.1 = label;
    }
    for (partition, label) in partitions[1..4].iter_mut().zip(Slot::B.labels()) {
        partition.1 = label;
    }
    let slots = Fixture::new(&partitions).find().unwrap();
    assert_eq!((slots.running.slot, slots.running.usr.index), (Slot::B, 2));
    assert_eq!((slots.other.slot, slots.other.usr.index), (Slot::A, 5));
}

#[test]
fn a_disk_without_a_second_slot() {
    for (removed, label) in [(4, "USR-B"), (5, "USR-B-VERITY"), (6, "USR-B-SIG")] {
        let mut partitions = as_delivered();
        partitions.remove(removed);
        assert_eq!(
            Fixture::new(&partitions).text(),
            format!(
                "DISK has no partition {label}: a machine with one slot cannot take updates, install it anew from a disk image"
            )
        );
    }
}

#[test]
fn a_type_counts_and_not_only_a_label() {
    let mut partitions = as_delivered();
    partitions[4].0 = kind::ROOT;
    assert!(
        Fixture::new(&partitions)
            .text()
            .starts_with("DISK has no partition USR-B:")
    );
}

#[test]
fn more_partitions_than_slots() {
    let mut partitions = as_delivered();
    partitions.push((kind::USR, "_empty", Guid([0x77; 16])));
    assert_eq!(
        Fixture::new(&partitions).text(),
        "DISK has more than one partition _empty: rename or delete the one that is not ACL's"
    );
    let mut partitions = as_delivered();
    partitions.push((kind::USR_VERITY, "USR-A-VERITY", Guid([0x77; 16])));
    assert_eq!(
        Fixture::new(&partitions).text(),
        "DISK has more than one partition USR-A-VERITY: rename or delete the one that is not ACL's"
    );
    // Other people's usr partitions are theirs.
    let mut partitions = as_delivered();
    partitions.push((kind::USR, "fedora-usr", Guid([0x77; 16])));
    assert!(Fixture::new(&partitions).find().is_ok());
}

#[test]
fn a_machine_that_does_not_run_a_release() {
    let fixture = Fixture::new(&as_delivered());
    let error = Slots::find(&fixture.table(), &Cmdline::parse("root=/dev/sda1")).unwrap_err();
    assert!(matches!(error, Error::NoUsrHash));
    assert_eq!(error.who(), Who::Environment);
    assert_eq!(
        error.to_string(),
        "the kernel command line has no usrhash=: this machine was not booted from an ACL release, so there is no slot to update"
    );
}

#[test]
fn a_hash_must_fit_both_partitions() {
    for wrong in [2, 1] {
        let mut partitions = as_delivered();
        partitions[wrong].2 = Guid([0x66; 16]);
        assert_eq!(
            Fixture::new(&partitions).text(),
            format!(
                "no slot of DISK holds the running release (usrhash={}): the partition table was changed, or this is another machine's disk",
                running()
            )
        );
    }
}

#[test]
fn the_running_release_cannot_be_put_into_the_other_slot() {
    let fixture = Fixture::new(&as_delivered());
    let before = std::fs::read(&fixture.path).unwrap();
    let mut table = fixture.table();
    fixture
        .find()
        .unwrap()
        .other
        .name_for(&mut table, &running())
        .unwrap();
    assert!(matches!(table.write(), Err(Error::InvalidTable { .. })));
    assert!(std::fs::read(&fixture.path).unwrap() == before);
}
