//! The disk image: a GPT with the partitions of UAPI.2 in a sparse file.
//!
//! Every GUID that is not given by the root hash is derived from it, so the same content gives the same bytes.

mod layout;

use std::fs::File;
use std::io;
use std::path::Path;

use acl_host::guid::Guid;
use acl_host::verity::RootHash;
use gptman::{GPT, GPTPartitionEntry};

use crate::{Error, sparse};
use layout::{Partition, derived};

pub(crate) const MIB: u64 = 1024 * 1024;
const SECTOR: u64 = 512;

/// Sizes of the partitions in bytes, each a whole number of MiB; both slots have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The EFI system partition.
    pub esp: u64,
    /// `/usr`, of which the image must leave a quarter free.
    pub usr: u64,
    /// Its hash tree.
    pub verity: u64,
    /// The signature of its root hash.
    pub signature: u64,
    /// The least that ROOT may have: room that the disk image leaves behind its partitions.
    pub root: u64,
}

impl Default for Sizes {
    /// 512 MiB, 2 GiB, 32 MiB, 1 MiB and 1 GiB.
    fn default() -> Self {
        Self {
            esp: 512 * MIB,
            usr: 2048 * MIB,
            verity: 32 * MIB,
            signature: MIB,
            root: 1024 * MIB,
        }
    }
}

/// What the first slot and the ESP hold, as files.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Image of the ESP, as [`crate::step::esp::build`] writes it.
    pub esp: &'a Path,
    /// The erofs image of `/usr`.
    pub usr: &'a Path,
    /// Its verity superblock and tree.
    pub verity: &'a Path,
    /// The signature as JSON (UAPI.2).
    pub signature: &'a Path,
    /// Its root hash; gives slot A its GUIDs.
    pub root_hash: RootHash,
}

/// Writes the disk image: ESP, slot A filled, slot B empty, and room for ROOT, which the first boot makes. An old file
/// is replaced.
///
/// # Errors
/// [`Error::PartitionSize`] and [`Error::PartitionTooSmall`] before anything is written; [`Error::ReadInput`],
/// [`Error::WriteImage`], [`Error::LayOut`].
pub fn build(out: &Path, sizes: Sizes, content: Content<'_>) -> Result<(), Error> {
    let partitions = layout::partitions(sizes, content);
    layout::check(&partitions, sizes.root)?;
    let failed = |source| Error::WriteImage {
        path: out.into(),
        source,
    };
    let image = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(out)
        .map_err(failed)?;
    image
        .set_len(layout::disk_size(&partitions, sizes.root))
        .map_err(failed)?;
    write_table(&image, &partitions, derived(&content.root_hash, "disk")).map_err(|error| {
        Error::LayOut {
            path: out.into(),
            reason: error.to_string(),
        }
    })?;
    for (start, partition) in layout::starts(&partitions) {
        if let Some(source) = partition.content {
            place(source, &image, start).map_err(failed)?;
        }
    }
    Ok(())
}

fn place(source: &Path, image: &File, start: u64) -> io::Result<()> {
    sparse::copy(&mut File::open(source)?, image, start)?;
    Ok(())
}

fn write_table(mut image: &File, partitions: &[Partition<'_>], disk: Guid) -> gptman::Result<()> {
    let mut table = GPT::new_from(&mut image, SECTOR, disk.to_disk())?;
    for (index, (start, partition)) in (1..).zip(layout::starts(partitions)) {
        table[index] = GPTPartitionEntry {
            partition_type_guid: partition.kind.to_disk(),
            unique_partition_guid: partition.guid.to_disk(),
            starting_lba: start / SECTOR,
            ending_lba: (start + partition.size) / SECTOR - 1,
            attribute_bits: partition.attributes,
            partition_name: partition.label.into(),
        };
    }
    GPT::write_protective_mbr_into(&mut image, SECTOR)?;
    table.write_into(&mut image)?;
    Ok(())
}
