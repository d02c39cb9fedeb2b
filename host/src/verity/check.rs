//! Reads a slot back and tells what it holds.

use super::build::{build_over, unreadable};
use super::superblock::Superblock;
use super::{BLOCK, Parameters, ReadAt, RootHash};
use crate::error::{Error, Result};

/// Reads back `data` and `tree` (two partitions, each at least as long as its content), makes the tree over the data
/// anew with the salt found and compares it with the stored one. Returns the root hash of what the disk gave.
///
/// Nothing that the disk holds is trusted: whatever was changed, the root hash that is returned is another one or the
/// trees differ. The caller compares the root hash with the one it was promised, or calls [`check`].
///
/// # Errors
/// [`Error::VeritySuperblock`] when the tree does not start with ours or counts more data than there is,
/// [`Error::VerityMismatch`] with the first block of the tree that differs, [`Error::ReadVerity`].
pub fn verify(data: &(impl ReadAt + ?Sized), tree: &(impl ReadAt + ?Sized)) -> Result<RootHash> {
    let mut first = [0; BLOCK];
    tree.read_exact_at(&mut first, 0).map_err(unreadable)?;
    let superblock = Superblock::parse(&first)?;
    let available = data.length().map_err(unreadable)? / BLOCK as u64;
    if superblock.blocks == 0 || superblock.blocks > available {
        return Err(Error::VeritySuperblock {
            reason: format!(
                "it counts {} data blocks where there are {available}",
                superblock.blocks
            ),
        });
    }
    let parameters = Parameters {
        salt: superblock.salt,
        uuid: superblock.uuid,
    };
    let made = build_over(data, superblock.blocks, &parameters)?;
    compare(&made.bytes, tree)?;
    Ok(made.root)
}

/// As [`verify`], and the root hash is `expected`.
///
/// # Errors
/// As [`verify`], and [`Error::RootHashMismatch`].
pub fn check(
    data: &(impl ReadAt + ?Sized),
    tree: &(impl ReadAt + ?Sized),
    expected: &RootHash,
) -> Result<()> {
    let found = verify(data, tree)?;
    if found == *expected {
        return Ok(());
    }
    Err(Error::RootHashMismatch {
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

fn compare(made: &[u8], tree: &(impl ReadAt + ?Sized)) -> Result<()> {
    let mut stored = [0; BLOCK];
    for (number, block) in made.chunks(BLOCK).enumerate() {
        let offset = (number * BLOCK) as u64;
        tree.read_exact_at(&mut stored, offset)
            .map_err(unreadable)?;
        if block != stored {
            return Err(Error::VerityMismatch { offset });
        }
    }
    Ok(())
}
