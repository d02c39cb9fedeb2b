//! Repairs the entries `.` and `..` of the directories that `fatfs` 0.3 makes.
//!
//! It gives both a long name, and points the `..` of a directory at the top at cluster 2 instead of 0. Linux and UEFI
//! read over that; `fsck.fat` does not, and the nodes' file system check would "repair" it in ways of its own.
//!
//! Source: Microsoft, "FAT32 File System Specification", version 1.03, "FAT Directory Structure".

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a directory entry.
const ENTRY: usize = 32;
const DIRECTORY: u8 = 0x10;
const LONG_NAME: u8 = 0x0f;

/// Repairs all directories of a file system that holds directories only, each of them no longer than one cluster.
///
/// # Errors
/// Those of reading and writing; [`io::ErrorKind::InvalidData`] if a directory is not as `fatfs` makes it.
pub(super) fn repair(image: &File) -> io::Result<()> {
    let volume = Volume::read(image)?;
    let mut pending = vec![volume.root];
    while let Some(cluster) = pending.pop() {
        let mut directory = volume.cluster(cluster)?;
        if cluster != volume.root {
            repair_one(&mut directory, volume.root)?;
            image.write_all_at(&directory, volume.offset(cluster))?;
        }
        let below = directory
            .chunks_exact(ENTRY)
            .filter(|entry| is_directory(entry) && entry[0] != b'.');
        pending.extend(below.map(first_cluster));
    }
    Ok(())
}

/// From `long, ., long, .., rest` to `., .., rest`.
fn repair_one(directory: &mut [u8], root: u32) -> io::Result<()> {
    let entry = |index: usize| &directory[index * ENTRY..(index + 1) * ENTRY];
    let as_expected = is_long(entry(0))
        && entry(1).starts_with(b".          ")
        && is_long(entry(2))
        && entry(3).starts_with(b"..         ");
    if !as_expected {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "fatfs wrote a directory in an unknown form",
        ));
    }
    directory.copy_within(ENTRY..2 * ENTRY, 0);
    directory.copy_within(3 * ENTRY..4 * ENTRY, ENTRY);
    directory.copy_within(4 * ENTRY.., 2 * ENTRY);
    let end = directory.len() - 2 * ENTRY;
    directory[end..].fill(0);
    let parent = &mut directory[ENTRY..2 * ENTRY];
    if first_cluster(parent) == root {
        parent[20..22].fill(0);
        parent[26..28].fill(0);
    }
    Ok(())
}

fn is_long(entry: &[u8]) -> bool {
    entry[11] == LONG_NAME
}

fn is_directory(entry: &[u8]) -> bool {
    entry[0] != 0 && !is_long(entry) && entry[11] & DIRECTORY != 0
}

fn first_cluster(entry: &[u8]) -> u32 {
    u32::from_le_bytes([entry[26], entry[27], entry[20], entry[21]])
}

/// Where the clusters of a FAT32 volume are.
struct Volume<'f> {
    image: &'f File,
    root: u32,
    cluster_len: usize,
    data: u64,
}

impl<'f> Volume<'f> {
    fn read(image: &'f File) -> io::Result<Self> {
        let mut boot = [0; 512];
        image.read_exact_at(&mut boot, 0)?;
        let short = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
        let long =
            |at: usize| u32::from_le_bytes([boot[at], boot[at + 1], boot[at + 2], boot[at + 3]]);
        let (sector, reserved, tables) = (short(11), short(14), u64::from(boot[16]));
        Ok(Self {
            image,
            root: long(44),
            cluster_len: usize::from(boot[13]) * sector as usize,
            data: (reserved + tables * u64::from(long(36))) * sector,
        })
    }

    fn offset(&self, cluster: u32) -> u64 {
        self.data + (u64::from(cluster) - 2) * self.cluster_len as u64
    }

    fn cluster(&self, cluster: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.cluster_len];
        self.image.read_exact_at(&mut bytes, self.offset(cluster))?;
        Ok(bytes)
    }
}
