//! Tables that a power cut may hit at every sector of every write.

use std::cell::RefCell;
use std::io::Cursor;
use std::path::Path;

use super::medium::Medium;
use super::{Partition, Table, kind};
use crate::error::{Error, Result, chain};
use crate::guid::Guid;

const SECTOR: usize = 512;
const SIZE: usize = 1 << 20;

/// What reached the medium, in order.
#[derive(Debug, Clone, PartialEq)]
enum Act {
    Write(usize, Vec<u8>),
    Flush,
}

/// A disk in memory that remembers every act.
struct Recorder {
    bytes: RefCell<Vec<u8>>,
    acts: RefCell<Vec<Act>>,
}

impl Recorder {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: RefCell::new(bytes),
            acts: RefCell::new(Vec::new()),
        }
    }
}

impl Medium for Recorder {
    fn path(&self) -> &Path {
        Path::new("/dev/test")
    }

    fn size(&self) -> u64 {
        self.bytes.borrow().len() as u64
    }

    fn sector(&self) -> u64 {
        SECTOR as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let offset = offset as usize;
        buffer.copy_from_slice(&self.bytes.borrow()[offset..offset + buffer.len()]);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let offset = offset as usize;
        self.bytes.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.acts
            .borrow_mut()
            .push(Act::Write(offset, bytes.to_vec()));
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.acts.borrow_mut().push(Act::Flush);
        Ok(())
    }
}

/// A disk with two partitions.
fn disk(sector: u64, size: usize) -> Vec<u8> {
    let mut disk = Cursor::new(vec![0; size]);
    let mut gpt = gptman::GPT::new_from(&mut disk, sector, [0x11; 16]).unwrap();
    for (index, guid) in [(1, 0x21), (3, 0x23)] {
        let start = 40 + u64::from(index) * 8;
        gpt[index] = gptman::GPTPartitionEntry {
            partition_type_guid: kind::USR.to_disk(),
            unique_partition_guid: [guid; 16],
            starting_lba: start,
            ending_lba: start + 7,
            attribute_bits: 1 << 60,
            partition_name: "_empty".into(),
        };
    }
    gpt.write_into(&mut disk).unwrap();
    disk.into_inner()
}

fn read(bytes: &[u8]) -> Result<Table> {
    Table::read_from(&Recorder::new(bytes.to_vec()))
}

fn changed(table: &Table) -> Table {
    let mut table = table.clone();
    table.set_guid(3, Guid([0x99; 16])).unwrap();
    table.set_label(3, "USR-B").unwrap();
    table.set_attributes(3, 0).unwrap();
    table
}

fn acts(before: &[u8]) -> (Vec<Act>, Vec<u8>) {
    let medium = Recorder::new(before.to_vec());
    let mut table = changed(&Table::read_from(&medium).unwrap());
    table.write_to(&medium).unwrap();
    (medium.acts.into_inner(), medium.bytes.into_inner())
}

/// Every state that the disk may be in: all that was flushed, and of what was not, any set of sectors. Of those sets:
/// each prefix, each suffix, each single sector, each but one, every other one.
fn after_power_cuts(before: &[u8], acts: &[Act]) -> Vec<Vec<u8>> {
    let mut states = vec![before.to_vec()];
    let mut durable = before.to_vec();
    for batch in acts.split(|act| *act == Act::Flush) {
        let sectors: Vec<(usize, &[u8])> = batch
            .iter()
            .flat_map(|act| match act {
                Act::Write(offset, bytes) => (*offset..).step_by(SECTOR).zip(bytes.chunks(SECTOR)),
                Act::Flush => unreachable!(),
            })
            .collect();
        let all = sectors.len();
        let mut reached = |wanted: &dyn Fn(usize) -> bool| {
            let mut state = durable.clone();
            for (_, (offset, bytes)) in sectors.iter().enumerate().filter(|(n, _)| wanted(*n)) {
                state[*offset..*offset + bytes.len()].copy_from_slice(bytes);
            }
            states.push(state);
        };
        for cut in 0..all {
            reached(&|n| n < cut);
            reached(&|n| n >= cut);
            reached(&|n| n == cut);
            reached(&|n| n != cut);
        }
        reached(&|n| n % 2 == 0);
        reached(&|n| n % 2 == 1);
        for (offset, bytes) in sectors {
            durable[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    }
    states.push(durable);
    states
}

fn assert_always_whole(before: &[u8]) {
    let old = read(before).unwrap().partitions();
    let new = changed(&read(before).unwrap()).partitions();
    let (acts, after) = acts(before);
    assert_eq!(read(&after).unwrap().partitions(), new);
    assert!(read(&after).unwrap().primary_whole);
    let states = after_power_cuts(before, &acts);
    assert!(states.len() > 200);
    for (number, state) in states.iter().enumerate() {
        let found = read(state).map(|table| table.partitions());
        let found = found.unwrap_or_else(|error| panic!("state {number}: {}", chain(&error)));
        assert!(found == old || found == new, "state {number}");
        assert_ne!(old, new);
    }
}

#[test]
fn a_power_cut_leaves_the_old_table_or_the_new_one() {
    assert_always_whole(&disk(512, SIZE));
}

#[test]
fn a_power_cut_while_a_damaged_primary_copy_is_repaired() {
    let mut before = disk(512, SIZE);
    before[SECTOR + 20] ^= 1;
    assert!(!read(&before).unwrap().primary_whole);
    assert_always_whole(&before);
}

#[test]
fn a_power_cut_while_a_damaged_backup_copy_is_repaired() {
    let mut before = disk(512, SIZE);
    before[SIZE - SECTOR] ^= 1;
    assert_always_whole(&before);
}

#[test]
fn a_power_cut_on_a_disk_that_has_grown() {
    let mut before = disk(512, SIZE);
    before.resize(2 * SIZE, 0);
    assert_always_whole(&before);
    let (_, after) = acts(&before);
    let mut without_primary = after;
    without_primary[SECTOR..2 * SECTOR].fill(0);
    assert_eq!(read(&without_primary).unwrap().partitions().len(), 2);
}

#[test]
fn a_power_cut_while_a_new_table_replaces_another() {
    let before = disk(512, SIZE);
    let old = read(&before).unwrap().partitions();
    let medium = Recorder::new(before.clone());
    let mut table = Table::empty(medium.path(), medium.size(), 512, Guid([0x77; 16])).unwrap();
    let partition = Partition {
        index: 2,
        start: 512 * 100,
        ..old[0].clone()
    };
    table.put(&partition, medium.size()).unwrap();
    table.write_to(&medium).unwrap();
    let states = after_power_cuts(&before, &medium.acts.into_inner());
    assert!(states.len() > 200);
    for (number, state) in states.iter().enumerate() {
        let found = read(state).unwrap().partitions();
        assert!(
            found == old || found == [partition.clone()],
            "state {number}"
        );
    }
    assert_eq!(
        read(states.last().unwrap()).unwrap().partitions(),
        [partition]
    );
}

#[test]
fn each_copy_is_written_once_and_flushed() {
    let (acts, _) = acts(&disk(512, SIZE));
    let kinds: Vec<Option<usize>> = acts
        .iter()
        .map(|act| match act {
            Act::Write(offset, _) => Some(*offset),
            Act::Flush => None,
        })
        .collect();
    let backup = SIZE - 33 * SECTOR;
    assert_eq!(kinds, [Some(backup), None, Some(SECTOR), None]);
}

#[test]
fn what_is_written_is_what_gptman_and_an_unchanged_table_say() {
    let before = disk(512, SIZE);
    let medium = Recorder::new(before.clone());
    Table::read_from(&medium)
        .unwrap()
        .write_to(&medium)
        .unwrap();
    assert!(*medium.bytes.borrow() == before);
    let (_, after) = acts(&before);
    let gpt = gptman::GPT::read_from(&mut Cursor::new(&after), 512).unwrap();
    assert_eq!(gpt[3].partition_name.as_str(), "USR-B");
    assert_eq!(gpt[1].partition_name.as_str(), "_empty");
    assert_eq!(gpt.header.disk_guid, [0x11; 16]);
}

#[test]
fn fields_of_a_partition() {
    for (sector, size) in [(512, SIZE), (4096, 4 * SIZE)] {
        let table = read(&disk(sector, size)).unwrap();
        let partitions = table.partitions();
        let indexes: Vec<u32> = partitions.iter().map(|partition| partition.index).collect();
        assert_eq!(indexes, [1, 3]);
        let third = &partitions[1];
        assert_eq!(third.kind, kind::USR);
        assert_eq!(third.range(), 64 * sector..72 * sector);
        assert_eq!(third.label, "_empty");
        assert_eq!(third.attributes, 1 << 60);
        assert_eq!(
            third.guid.to_string(),
            "23232323-2323-2323-2323-232323232323"
        );
    }
}

#[test]
fn a_disk_without_a_table() {
    for bytes in [vec![], vec![0; 100], vec![0; SECTOR], vec![0; SIZE]] {
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, Error::ReadTable { .. }), "{error}");
    }
    let mut both = disk(512, SIZE);
    both[SECTOR] ^= 1;
    both[SIZE - SECTOR + 20] ^= 1;
    let text = read(&both).unwrap_err().to_string();
    assert!(text.starts_with("/dev/test has no partition table that can be read: primary copy: "));
    assert!(text.contains("; backup copy: "), "{text}");
}

/// Tables with right checksums that say what cannot be; both copies do.
#[test]
fn tables_that_lie() {
    type Lie = (
        &'static str,
        fn(&mut gptman::GPTHeader, &mut gptman::GPTPartitionEntry),
    );
    let lies: [Lie; 7] = [
        ("its entries are not 128 bytes", |header, _| {
            header.size_of_partition_entry = 256;
            header.number_of_partition_entries = 1;
        }),
        ("it has 0 entries", |header, _| {
            header.number_of_partition_entries = 0
        }),
        ("it has 4294967295 entries", |header, _| {
            header.number_of_partition_entries = u32::MAX
        }),
        ("it points outside of the disk", |header, _| {
            header.partition_entry_lba = 1 << 40
        }),
        ("it points outside of the disk", |header, _| {
            header.backup_lba = 1 << 40
        }),
        ("it has a partition that is not on the disk", |_, entry| {
            entry.ending_lba = 1 << 40
        }),
        ("it has a partition that is not on the disk", |_, entry| {
            entry.ending_lba = entry.starting_lba - 1
        }),
    ];
    for (reason, lie) in lies {
        let bytes = lying(lie);
        let text = read(&bytes).unwrap_err().to_string();
        assert!(text.contains(&format!("primary copy: {reason};")), "{text}");
    }
}

/// A disk whose primary copy lies; it has no backup.
fn lying(lie: fn(&mut gptman::GPTHeader, &mut gptman::GPTPartitionEntry)) -> Vec<u8> {
    let mut bytes = disk(512, SIZE);
    let mut cursor = Cursor::new(&mut bytes[..]);
    cursor.set_position(SECTOR as u64);
    let mut header = gptman::GPTHeader::read_from(&mut cursor).unwrap();
    let mut entries = header.read_partitions(&mut cursor, 512).unwrap();
    lie(&mut header, &mut entries[0]);
    header.crc32_checksum = 0;
    if header.number_of_partition_entries == 128 && header.partition_entry_lba == 2 {
        header.write_into(&mut cursor, 512, &entries).unwrap();
    } else {
        // gptman would not write such a table: the header alone, with the checksum that it wants.
        header.update_crc32_checksum();
        let raw = raw_header(&header);
        bytes[SECTOR..SECTOR + 92].copy_from_slice(&raw);
    }
    bytes[SIZE - SECTOR..].fill(0);
    bytes
}

fn raw_header(header: &gptman::GPTHeader) -> Vec<u8> {
    let mut raw = Vec::new();
    raw.extend_from_slice(&header.signature);
    raw.extend_from_slice(&header.revision);
    raw.extend_from_slice(&header.header_size.to_le_bytes());
    raw.extend_from_slice(&header.crc32_checksum.to_le_bytes());
    raw.extend_from_slice(&header.reserved);
    for number in [
        header.primary_lba,
        header.backup_lba,
        header.first_usable_lba,
        header.last_usable_lba,
    ] {
        raw.extend_from_slice(&number.to_le_bytes());
    }
    raw.extend_from_slice(&header.disk_guid);
    raw.extend_from_slice(&header.partition_entry_lba.to_le_bytes());
    for number in [
        header.number_of_partition_entries,
        header.size_of_partition_entry,
        header.partition_entry_array_crc32,
    ] {
        raw.extend_from_slice(&number.to_le_bytes());
    }
    raw
}

#[test]
fn changes_that_are_refused() {
    let mut table = read(&disk(512, SIZE)).unwrap();
    for index in [0, 2, 128, 129, u32::MAX] {
        let error = table.set_guid(index, Guid([1; 16])).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("/dev/test has no partition {index}")
        );
    }
    let long = "x".repeat(37);
    assert_eq!(
        table.set_label(1, &long).unwrap_err().to_string(),
        format!(
            "the partition table of /dev/test cannot be written: the label {long:?} is too long"
        )
    );
    table.set_label(1, &long[1..]).unwrap();
    table.set_guid(1, Guid([0x23; 16])).unwrap();
    let medium = Recorder::new(disk(512, SIZE));
    let error = table.write_to(&medium).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the partition table of /dev/test cannot be written: two partitions would have the GUID 23232323-2323-2323-2323-232323232323"
    );
    assert_eq!(*medium.acts.borrow(), []);
}

#[test]
fn a_disk_that_has_shrunk() {
    let mut bytes = disk(512, SIZE);
    bytes.truncate(SIZE / 2);
    let error = read(&bytes).unwrap_err().to_string();
    assert!(
        error.contains("primary copy: it points outside of the disk"),
        "{error}"
    );
}
