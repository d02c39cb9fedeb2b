//! Tables for disks that have none, and partitions that are made, moved and deleted.

use std::ops::Range;
use std::path::Path;

use gptman::{GPTHeader, GPTPartitionEntry};

use super::{LONGEST_LABEL, Partition, Table, copies};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::gpt::medium::Medium;
use crate::guid::Guid;

/// Entries of a new table.
pub const ENTRIES: u32 = 128;

impl Table {
    /// Reads the table of a disk; `None` when nothing on the disk claims to be one.
    ///
    /// # Errors
    /// As [`Table::read`]; a damaged table is an error and not `None`.
    pub fn read_if_any(disk: &Disk) -> Result<Option<Self>> {
        match Self::read_from(disk) {
            Err(Error::ReadTable { .. }) if !claims_one(disk)? => Ok(None),
            table => table.map(Some),
        }
    }

    /// An empty table of [`ENTRIES`] entries for a disk with sectors of `sector` bytes; on the disk, together with the
    /// protective MBR, after [`Table::write`].
    ///
    /// # Errors
    /// [`Error::InvalidTable`] for a disk that is too small to hold one.
    pub fn blank(disk: &Disk, sector: u64, guid: Guid) -> Result<Self> {
        Self::empty(disk.path(), disk.size(), sector, guid)
    }

    pub(super) fn empty(path: &Path, size: u64, sector: u64, guid: Guid) -> Result<Self> {
        let usable = usable_of_blank(size, sector).ok_or_else(|| Error::InvalidTable {
            path: path.to_owned(),
            reason: "the disk is too small to hold one".to_owned(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            sector,
            header: GPTHeader {
                signature: *b"EFI PART",
                revision: [0, 0, 1, 0],
                header_size: 92,
                crc32_checksum: 0,
                reserved: [0; 4],
                primary_lba: 1,
                backup_lba: size / sector - 1,
                first_usable_lba: usable.start / sector,
                last_usable_lba: usable.end / sector - 1,
                disk_guid: guid.to_disk(),
                partition_entry_lba: 2,
                number_of_partition_entries: ENTRIES,
                size_of_partition_entry: copies::ENTRY,
                partition_entry_array_crc32: 0,
            },
            entries: vec![GPTPartitionEntry::empty(); ENTRIES as usize],
            // What may be there before is replaced in the same order as a table that is changed.
            primary_whole: true,
            protect: true,
        })
    }

    /// Bytes in a sector.
    pub fn sector(&self) -> u64 {
        self.sector
    }

    /// How many partitions it can hold.
    pub fn capacity(&self) -> u32 {
        self.header.number_of_partition_entries
    }

    /// The bytes that partitions may lie in, once the table is written to a disk of `size` bytes.
    pub fn usable(&self, size: u64) -> Range<u64> {
        let mut header = self.header.clone();
        // A disk that has shrunk keeps the header's word; writing refuses it.
        let _ = copies::fit(
            &mut header,
            (size / self.sector).saturating_sub(1),
            self.sector,
        );
        header.first_usable_lba * self.sector..(header.last_usable_lba + 1) * self.sector
    }

    /// Makes a partition, or gives the one of the same number all that `partition` says; on the disk after
    /// [`Table::write`].
    ///
    /// # Errors
    /// [`Error::InvalidTable`] when it does not begin and end with a sector, lies outside of a disk of `size` bytes or
    /// over another partition, or has a number or a label that the table cannot hold.
    pub fn put(&mut self, partition: &Partition, size: u64) -> Result<()> {
        self.check(partition, size)
            .map_err(|reason| self.invalid(format!("partition {}: {reason}", partition.index)))?;
        let entry = GPTPartitionEntry {
            partition_type_guid: partition.kind.to_disk(),
            unique_partition_guid: partition.guid.to_disk(),
            starting_lba: partition.start / self.sector,
            ending_lba: (partition.start + partition.length) / self.sector - 1,
            attribute_bits: partition.attributes,
            partition_name: partition.label.as_str().into(),
        };
        if let Some(place) = self.entries.get_mut(partition.index as usize - 1) {
            *place = entry;
        }
        Ok(())
    }

    /// Deletes a partition; on the disk after [`Table::write`].
    ///
    /// # Errors
    /// [`Error::NoPartition`].
    pub fn remove(&mut self, index: u32) -> Result<()> {
        *self.entry(index)? = GPTPartitionEntry::empty();
        Ok(())
    }

    fn check(&self, partition: &Partition, size: u64) -> Result<(), String> {
        let usable = self.usable(size);
        let end = partition.start.checked_add(partition.length);
        let end = end.ok_or("its end is beyond any disk")?;
        if !(1..=self.capacity()).contains(&partition.index) {
            Err(format!("the table has {} entries", self.capacity()))
        } else if partition.kind == Guid([0; 16]) {
            Err("its type is that of an unused entry".to_owned())
        } else if partition.label.encode_utf16().count() > LONGEST_LABEL {
            Err(format!("the label {:?} is too long", partition.label))
        } else if partition.length == 0
            || !partition.start.is_multiple_of(self.sector)
            || !end.is_multiple_of(self.sector)
        {
            Err("it is not a whole number of sectors".to_owned())
        } else if partition.start < usable.start || end > usable.end {
            Err("it lies outside of the disk's usable sectors".to_owned())
        } else {
            let overlaps = |other: &Partition| {
                other.index != partition.index
                    && other.start < end
                    && partition.start < other.start + other.length
            };
            match self.partitions().into_iter().find(overlaps) {
                Some(other) => Err(format!("it lies over partition {}", other.index)),
                None => Ok(()),
            }
        }
    }
}

/// The bytes that partitions of a new table may lie in; `None` for a disk that is too small to hold a table.
pub fn usable_of_blank(size: u64, sector: u64) -> Option<Range<u64>> {
    let sectors = size.checked_div(sector)?;
    let array = u64::from(ENTRIES * copies::ENTRY).div_ceil(sector);
    let (first, end) = (2 + array, sectors.checked_sub(1 + array)?);
    (first < end).then(|| first * sector..end * sector)
}

/// Destroys both copies of the table and the MBR, durably; the partitions' contents stay.
///
/// # Errors
/// [`Error::OpenDisk`], [`Error::WriteDisk`], [`Error::Sync`].
pub fn erase(disk: &Disk) -> Result<()> {
    let sector = disk.sector();
    let copy = (1 + u64::from(ENTRIES * copies::ENTRY).div_ceil(sector)) * sector;
    let (front, back) = ((sector + copy).min(disk.size()), copy.min(disk.size()));
    // The backup first: a power cut leaves the old table or, once the primary is gone, none.
    disk.write_at(&vec![0; back as usize], disk.size() - back)?;
    disk.flush()?;
    disk.write_at(&vec![0; front as usize], 0)?;
    disk.flush()
}

/// Whether anything on the disk has the signature of a table, in either size of sector.
fn claims_one(medium: &impl Medium) -> Result<bool> {
    let size = medium.size();
    let mut places = Vec::new();
    for sector in [512, 4096] {
        places.extend([
            Some(sector),
            (size / sector).checked_sub(1).map(|lba| lba * sector),
        ]);
    }
    for place in places
        .into_iter()
        .flatten()
        .filter(|place| place + 8 <= size)
    {
        let mut signature = [0; 8];
        medium.read_at(&mut signature, place)?;
        if &signature == b"EFI PART" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the disk has an MBR with partitions of its own: not the one that protects a GPT, and not a boot sector.
///
/// # Errors
/// [`Error::ReadDisk`].
pub fn has_mbr(disk: &Disk) -> Result<bool> {
    if disk.size() < 512 {
        return Ok(false);
    }
    let mut sector = [0; 512];
    disk.read_at(&mut sector, 0)?;
    Ok(is_mbr(&sector))
}

fn is_mbr(sector: &[u8; 512]) -> bool {
    let (entries, signature) = (&sector[446..510], &sector[510..]);
    let used: Vec<&[u8]> = entries.chunks(16).filter(|entry| entry[4] != 0).collect();
    // File systems end their boot sector with the same signature; their code is no list of partitions.
    let flags = entries.chunks(16).all(|entry| matches!(entry[0], 0 | 0x80));
    signature == [0x55, 0xaa] && flags && !used.is_empty() && used.iter().all(|e| e[4] != 0xee)
}

/// The 66 bytes at offset 446 of a disk of `sectors` sectors that tell old programs to leave it alone (UEFI 2.10, 5.2.3).
pub(super) fn protective_mbr(sectors: u64) -> [u8; 66] {
    let mut bytes = [0; 66];
    let length = u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX);
    bytes[..12].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    bytes[64..].copy_from_slice(&[0x55, 0xaa]);
    bytes
}
