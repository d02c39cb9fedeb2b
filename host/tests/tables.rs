//! Partition tables that are made.

use std::fs::File;
use std::path::{Path, PathBuf};

use acl_host::disk::Disk;
use acl_host::gpt::{Partition, Table, erase, has_mbr};
use acl_host::guid::Guid;

fn image(directory: &Path, name: &str, mib: u64) -> PathBuf {
    let path = directory.join(name);
    File::create(&path).unwrap().set_len(mib << 20).unwrap();
    path
}

#[test]
fn a_new_table_of_sectors_of_4096_bytes() {
    let root = tempfile::tempdir().unwrap();
    let path = image(root.path(), "vdb", 16);
    let disk = Disk::open(&path).unwrap();
    let mut table = Table::blank(&disk, 4096, Guid([7; 16])).unwrap();
    let partition = Partition {
        index: 128,
        kind: Guid([1; 16]),
        guid: Guid([2; 16]),
        label: "last".into(),
        attributes: 3,
        start: 6 * 4096,
        length: (16 << 20) - 11 * 4096,
    };
    table.put(&partition, disk.size()).unwrap();
    table.write().unwrap();
    let read = Table::read(&path).unwrap();
    assert_eq!((read.sector(), read.disk_guid()), (4096, Guid([7; 16])));
    assert_eq!(read.partitions(), [partition]);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(
        bytes[446..462],
        [
            0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0x0f, 0, 0
        ]
    );
    assert_eq!(bytes[462..512], [vec![0; 48], vec![0x55, 0xaa]].concat());
}

type Bad = (fn(&mut Partition), &'static str);

const BAD: &[Bad] = &[
    (|p| p.index = 0, "partition 0: the table has 128 entries"),
    (
        |p| p.index = 129,
        "partition 129: the table has 128 entries",
    ),
    (
        |p| p.kind = Guid([0; 16]),
        "partition 2: its type is that of an unused entry",
    ),
    (
        |p| p.length = 0,
        "partition 2: it is not a whole number of sectors",
    ),
    (
        |p| p.length = 700,
        "partition 2: it is not a whole number of sectors",
    ),
    (
        |p| p.start += 1,
        "partition 2: it is not a whole number of sectors",
    ),
    (
        |p| p.start = 33 * 512,
        "partition 2: it lies outside of the disk's usable sectors",
    ),
    (
        |p| p.length = 14 << 20,
        "partition 2: it lies outside of the disk's usable sectors",
    ),
    (
        |p| p.length = u64::MAX,
        "partition 2: its end is beyond any disk",
    ),
    (|p| p.start -= 512, "partition 2: it lies over partition 1"),
];

#[test]
fn partitions_that_a_table_cannot_hold() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(image(root.path(), "vdb", 16)).unwrap();
    let mut table = Table::blank(&disk, 512, Guid([7; 16])).unwrap();
    let good = Partition {
        index: 1,
        kind: Guid([1; 16]),
        guid: Guid([2; 16]),
        label: String::new(),
        attributes: 0,
        start: 1 << 20,
        length: 1 << 20,
    };
    table.put(&good, disk.size()).unwrap();
    let other = Partition {
        index: 2,
        start: 2 << 20,
        ..good.clone()
    };
    for (change, reason) in BAD {
        let mut partition = other.clone();
        change(&mut partition);
        let error = table.put(&partition, disk.size()).unwrap_err().to_string();
        let expected = format!(
            "the partition table of {} cannot be written: {reason}",
            disk.path().display()
        );
        assert_eq!(error, expected);
    }
    assert_eq!(table.partitions(), [good]);
    table.remove(1).unwrap();
    let error = table.remove(1).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{} has no partition 1", disk.path().display())
    );
}

#[test]
fn a_table_that_is_erased() {
    let root = tempfile::tempdir().unwrap();
    let path = image(root.path(), "vdb", 1);
    std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    let disk = Disk::open(&path).unwrap();
    assert!(Table::read_if_any(&disk).unwrap().is_none());
    Table::blank(&disk, 512, Guid([7; 16]))
        .unwrap()
        .write()
        .unwrap();
    assert_eq!(Table::read_if_any(&disk).unwrap().unwrap().partitions(), []);
    erase(&disk).unwrap();
    assert!(Table::read_if_any(&disk).unwrap().is_none());
    // The MBR and both copies, and not a byte of what lies between.
    let mut expected = vec![7; 1 << 20];
    expected[..34 * 512].fill(0);
    expected[(1 << 20) - 33 * 512..].fill(0);
    assert!(std::fs::read(&path).unwrap() == expected);
    for size in [0, 100, 512, 3000] {
        std::fs::write(&path, vec![7; size]).unwrap();
        erase(&Disk::open(&path).unwrap()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), vec![0; size]);
    }
}

#[test]
fn what_is_an_mbr() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("vdb");
    let sector = |change: fn(&mut [u8])| {
        let mut sector = vec![0; 1024];
        sector[510..512].copy_from_slice(&[0x55, 0xaa]);
        change(&mut sector);
        sector
    };
    for (bytes, expected) in [
        (sector(|s| s[450] = 0x83), true),
        (sector(|s| (s[446], s[466]) = (0x80, 0x0b)), true),
        (sector(|_| ()), false),
        (sector(|s| (s[450], s[510]) = (0x83, 0)), false),
        // It protects a GPT, or makes one of it for others.
        (sector(|s| s[450] = 0xee), false),
        (sector(|s| (s[450], s[466]) = (0xee, 0x83)), false),
        // Code of a boot sector.
        (sector(|s| s[446..510].fill(b'x')), false),
        (vec![], false),
        (vec![0; 511], false),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let disk = Disk::open_read_only(&path).unwrap();
        assert_eq!(has_mbr(&disk).unwrap(), expected, "{:?}", bytes.get(446..));
    }
}
