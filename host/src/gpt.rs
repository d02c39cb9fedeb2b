//! GUID partition tables: read or made, changed in memory, written once.
//!
//! Decides nothing: which partitions a disk shall have is the image builder's, systemd-repart's and the provisioner's
//! business. The encoding is gptman's.

mod copies;
mod make;
mod medium;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use gptman::{GPTHeader, GPTPartitionEntry};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::guid::Guid;
pub use make::{ENTRIES, erase, has_mbr, usable_of_blank};
use medium::Medium;

/// Partition types of the Discoverable Partitions Specification (UAPI.2) for x86-64.
pub mod kind {
    use crate::guid::Guid;

    /// The EFI system partition.
    pub const ESP: Guid =
        Guid(*b"\xc1\x2a\x73\x28\xf8\x1f\x11\xd2\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b");
    /// The root file system.
    pub const ROOT: Guid =
        Guid(*b"\x4f\x68\xbc\xe3\xe8\xcd\x4d\xb1\x96\xe7\xfb\xca\xf9\x84\xb7\x09");
    /// `/usr`.
    pub const USR: Guid =
        Guid(*b"\x84\x84\x68\x0c\x95\x21\x48\xc6\x9c\x11\xb0\x72\x06\x56\xf6\x9e");
    /// The verity tree of `/usr`.
    pub const USR_VERITY: Guid =
        Guid(*b"\x77\xff\x5f\x63\xe7\xb6\x46\x33\xac\xf4\x15\x65\xb8\x64\xc0\xe6");
    /// The signature of the root hash of `/usr`.
    pub const USR_VERITY_SIG: Guid =
        Guid(*b"\xe7\xbb\x33\xfb\x06\xcf\x4e\x81\x82\x73\xe5\x43\xb4\x13\xe2\xe2");
}

/// The longest label, in UTF-16 units (UEFI 2.10, 5.3.3).
pub const LONGEST_LABEL: usize = 36;

/// One partition of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1; the gaps between numbers are unused entries.
    pub index: u32,
    /// Its type, see [`kind`].
    pub kind: Guid,
    /// What tells it from every other partition.
    pub guid: Guid,
    /// Its label.
    pub label: String,
    /// The attribute bits (UAPI.2: 60 read-only, 63 no-auto).
    pub attributes: u64,
    /// Its first byte on the disk.
    pub start: u64,
    /// Bytes in it.
    pub length: u64,
}

impl Partition {
    /// Its bytes on the disk.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + self.length
    }
}

/// The partition table of a disk, as it was read and changed since.
#[derive(Debug, Clone)]
pub struct Table {
    path: PathBuf,
    sector: u64,
    /// The primary header; the backup's follows from it.
    header: GPTHeader,
    entries: Vec<GPTPartitionEntry>,
    /// Whether the primary copy was whole when the table was read.
    primary_whole: bool,
    /// Whether the protective MBR is to be written too.
    protect: bool,
}

impl Table {
    /// Reads the table of a disk or a disk image; the backup copy where the primary one is damaged.
    ///
    /// # Errors
    /// [`Error::OpenDisk`], [`Error::ReadDisk`]; [`Error::ReadTable`] when neither copy is whole, or when what it says
    /// does not fit the disk.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self> {
        Self::read_from(&Disk::open_read_only(path)?)
    }

    fn read_from(medium: &impl Medium) -> Result<Self> {
        let primary = copies::read_primary(medium)?;
        let primary_whole = primary.is_ok();
        let copy = match primary {
            Ok(copy) => copy,
            Err(reason) => copies::read_backup(medium)?.map_err(|backup| Error::ReadTable {
                path: medium.path().to_owned(),
                reason: format!("primary copy: {reason}; backup copy: {backup}"),
            })?,
        };
        Ok(Self {
            path: medium.path().to_owned(),
            sector: copy.sector,
            header: copy.header,
            entries: copy.entries,
            primary_whole,
            protect: false,
        })
    }

    /// The disk it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The GUID of the disk.
    pub fn disk_guid(&self) -> Guid {
        Guid::from_disk(self.header.disk_guid)
    }

    /// All partitions in use, by their numbers.
    pub fn partitions(&self) -> Vec<Partition> {
        (1..)
            .zip(&self.entries)
            .filter(|(_, entry)| entry.is_used())
            .map(|(index, entry)| self.partition_of(index, entry))
            .collect()
    }

    /// Gives a partition another GUID; on the disk after [`Self::write`].
    ///
    /// # Errors
    /// [`Error::NoPartition`].
    pub fn set_guid(&mut self, index: u32, guid: Guid) -> Result<()> {
        self.entry(index)?.unique_partition_guid = guid.to_disk();
        Ok(())
    }

    /// Gives a partition another label; on the disk after [`Self::write`].
    ///
    /// # Errors
    /// [`Error::NoPartition`], [`Error::InvalidTable`] for a label that is too long.
    pub fn set_label(&mut self, index: u32, label: &str) -> Result<()> {
        if label.encode_utf16().count() > LONGEST_LABEL {
            return Err(self.invalid(format!("the label {label:?} is too long")));
        }
        self.entry(index)?.partition_name = label.into();
        Ok(())
    }

    /// Gives a partition other attributes; on the disk after [`Self::write`].
    ///
    /// # Errors
    /// [`Error::NoPartition`].
    pub fn set_attributes(&mut self, index: u32, attributes: u64) -> Result<()> {
        self.entry(index)?.attribute_bits = attributes;
        Ok(())
    }

    /// Writes both copies, durably. The copy that is not needed goes first, and is flushed before the other is
    /// touched, so that whatever a power cut leaves has one whole table: the old one or the new one.
    ///
    /// # Errors
    /// [`Error::InvalidTable`] before anything is written; [`Error::OpenDisk`], [`Error::ReadDisk`],
    /// [`Error::WriteDisk`], [`Error::Sync`].
    pub fn write(&mut self) -> Result<()> {
        let disk = Disk::open(&self.path)?;
        self.write_to(&disk)
    }

    fn write_to(&mut self, medium: &impl Medium) -> Result<()> {
        self.check_guids()?;
        let last = medium.size() / self.sector - 1;
        copies::fit(&mut self.header, last, self.sector).map_err(|reason| self.invalid(reason))?;
        let (primary, backup) = copies::headers(&self.header);
        let mut order = [backup, primary];
        if !self.primary_whole {
            // Then the backup is the only whole copy there is.
            order.reverse();
        }
        for header in order {
            copies::write(medium, self.sector, header, &self.entries)?;
        }
        self.primary_whole = true;
        if std::mem::take(&mut self.protect) {
            let mbr = make::protective_mbr(medium.size() / self.sector);
            medium.write_at(&mbr, 446)?;
            medium.flush()?;
        }
        Ok(())
    }

    fn check_guids(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for partition in self.partitions() {
            if !seen.insert(partition.guid) {
                let guid = partition.guid;
                return Err(self.invalid(format!("two partitions would have the GUID {guid}")));
            }
        }
        Ok(())
    }

    fn partition_of(&self, index: u32, entry: &GPTPartitionEntry) -> Partition {
        Partition {
            index,
            kind: Guid::from_disk(entry.partition_type_guid),
            guid: Guid::from_disk(entry.unique_partition_guid),
            label: entry.partition_name.as_str().to_owned(),
            attributes: entry.attribute_bits,
            start: entry.starting_lba * self.sector,
            length: (entry.ending_lba - entry.starting_lba + 1) * self.sector,
        }
    }

    fn entry(&mut self, index: u32) -> Result<&mut GPTPartitionEntry> {
        let position = (index as usize).wrapping_sub(1);
        match self.entries.get_mut(position) {
            Some(entry) if entry.is_used() => Ok(entry),
            _ => Err(Error::NoPartition {
                path: self.path.clone(),
                index,
            }),
        }
    }

    fn invalid(&self, reason: String) -> Error {
        Error::InvalidTable {
            path: self.path.clone(),
            reason,
        }
    }
}
