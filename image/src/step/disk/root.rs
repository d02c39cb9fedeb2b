//! The empty file system that becomes everything writable on the machine.

use std::fs::File;
use std::path::{Path, PathBuf};

use acl_host::tool::{Tool, Tools};
use acl_host::verity::RootHash;

use super::layout::{self, Partition, derived};
use crate::Error;

/// When the file system says it was made, so that it does not tell when the build ran.
const MADE: &str = "1750000000";

/// Makes an ext4 of the partition's size at `path` and returns the path; label, UUID, hash seed and times are fixed.
///
/// # Errors
/// [`Error::WriteImage`]; [`Error::Host`] from `mkfs.ext4`.
pub(super) fn make(
    path: &Path,
    partition: &Partition<'_>,
    root: RootHash,
    tools: &Tools,
) -> Result<PathBuf, Error> {
    File::create(path)
        .and_then(|file| file.set_len(partition.size))
        .map_err(|source| Error::WriteImage {
            path: path.into(),
            source,
        })?;
    // The file is all zeros: nothing needs to be written where zeros are meant.
    let options = format!(
        "hash_seed={},assume_storage_prezeroed=1",
        derived(&root, "ROOT hash seed")
    );
    tools
        .command(Tool::MkfsExt4)
        .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-L", layout::ROOT])
        .args(["-U", &derived(&root, "ROOT file system").to_string()])
        .args(["-E", &options])
        .arg(path)
        .env("E2FSPROGS_FAKE_TIME", MADE)
        // The host's /etc/mke2fs.conf must not decide; without a file the program's own defaults hold.
        .env("MKE2FS_CONFIG", "/nonexistent")
        .run()?;
    Ok(path.to_owned())
}
