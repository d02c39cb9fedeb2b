//! Reads a slot back and tells what it holds.

use ring::digest::{Context, SHA256};

use super::build::{Tree, hash_blocks, hash_data, hash_run, in_parallel, unreadable};
use super::superblock::Superblock;
use super::{BLOCK, DIGEST, FAN, ReadAt, RootHash, THREADS, levels};
use crate::error::{Error, Result};

/// Reads back `data` and `tree` (two partitions, each at least as long as its content), makes the tree over the data
/// anew with the salt found and compares it with the stored one, in little memory: 1/16384 of the data. Returns the root hash
/// of what the disk gave.
///
/// Nothing that the disk holds is trusted: whatever was changed, the root hash that is returned is another one or the
/// trees differ. The caller compares the root hash with the one it was promised, or calls [`check`].
///
/// # Errors
/// [`Error::VeritySuperblock`] when the tree does not start with ours or counts more data than there is,
/// [`Error::VerityMismatch`] with a block of the tree that differs, [`Error::ReadVerity`].
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
    let levels = levels(superblock.blocks);
    let mut salted = Context::new(&SHA256);
    salted.update(&superblock.salt);
    let lowest = levels.first().copied().unwrap_or_default();
    let upper: u64 = levels.iter().skip(1).sum();
    let digests = match lowest {
        0 => hash_data(data, superblock.blocks, &salted)?,
        _ => check_leaves(data, tree, (superblock.blocks, 1 + upper), &salted)?,
    };
    let top = Tree::grow(&superblock, digests, levels.into_iter().skip(1), &salted)?;
    compare(&top.bytes, tree)?;
    Ok(top.root)
}

/// Makes the leaf blocks over `blocks` of data, by two threads, and compares them with those that begin at block `begin`
/// of the tree; their digests.
fn check_leaves(
    data: &(impl ReadAt + ?Sized),
    tree: &(impl ReadAt + ?Sized),
    (blocks, begin): (u64, u64),
    salted: &Context,
) -> Result<Vec<u8>> {
    let check = |leaf: u64, digest: &mut [u8]| {
        let (first, offset) = (leaf * FAN as u64, (begin + leaf) * BLOCK as u64);
        let mut made = vec![0; (blocks - first).min(FAN as u64) as usize * DIGEST];
        hash_run(data, first, &mut made, salted)?;
        made.resize(BLOCK, 0);
        compare_block(&made, tree, offset)?;
        digest.copy_from_slice(&hash_blocks(&made, salted));
        Ok(())
    };
    let leaves = blocks.div_ceil(FAN as u64);
    let mut digests = vec![0; leaves as usize * DIGEST];
    let share = leaves.div_ceil(THREADS);
    in_parallel(
        digests.chunks_mut(share as usize * DIGEST),
        |number, digests| {
            let leaves = number as u64 * share..;
            let mut each = leaves.zip(digests.chunks_mut(DIGEST));
            each.try_for_each(|(leaf, digest)| check(leaf, digest))
        },
    )?;
    Ok(digests)
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

/// How many bytes of data a tree is over, as its superblock says.
///
/// # Errors
/// [`Error::VeritySuperblock`], [`Error::ReadVerity`].
pub fn data_length(tree: &(impl ReadAt + ?Sized)) -> Result<u64> {
    let mut block = [0; BLOCK];
    tree.read_exact_at(&mut block, 0).map_err(unreadable)?;
    let superblock = Superblock::parse(&block)?;
    Ok(superblock.blocks.saturating_mul(BLOCK as u64))
}

/// Reads a tree back and sees that it hangs together and has the root `expected`; the data is not read. For who has made
/// the same root from the data that the disk gave.
///
/// # Errors
/// [`Error::VeritySuperblock`], [`Error::VerityMismatch`] with the first block that is not what the block above says,
/// [`Error::RootHashMismatch`], [`Error::ReadVerity`].
pub fn check_tree(tree: &(impl ReadAt + ?Sized), expected: &RootHash) -> Result<()> {
    let mut block = [0; BLOCK];
    tree.read_exact_at(&mut block, 0).map_err(unreadable)?;
    let superblock = Superblock::parse(&block)?;
    let mut salted = Context::new(&SHA256);
    salted.update(&superblock.salt);
    let mut levels = levels(superblock.blocks);
    levels.reverse();
    let lowest = levels.len().saturating_sub(1);
    let (mut above, mut offset) = (expected.0.to_vec(), BLOCK as u64);
    for (depth, level) in levels.into_iter().enumerate() {
        let mut blocks = Vec::new();
        for digest in above.chunks(DIGEST).take(level as usize) {
            tree.read_exact_at(&mut block, offset).map_err(unreadable)?;
            let found = hash_blocks(&block, &salted);
            if found != digest && depth == 0 {
                return Err(Error::RootHashMismatch {
                    expected: expected.to_string(),
                    found: hex(&found),
                });
            }
            if found != digest {
                return Err(Error::VerityMismatch { offset });
            }
            if depth < lowest {
                blocks.extend_from_slice(&block);
            }
            offset += BLOCK as u64;
        }
        above = blocks;
    }
    Ok(())
}

/// A root hash that was found, for a message.
fn hex(digest: &[u8]) -> String {
    let mut root = [0; DIGEST];
    root.copy_from_slice(digest);
    RootHash(root).to_string()
}

fn compare(made: &[u8], tree: &(impl ReadAt + ?Sized)) -> Result<()> {
    let mut blocks = made.chunks(BLOCK).enumerate();
    blocks.try_for_each(|(number, block)| compare_block(block, tree, (number * BLOCK) as u64))
}

fn compare_block(made: &[u8], tree: &(impl ReadAt + ?Sized), offset: u64) -> Result<()> {
    let mut stored = [0; BLOCK];
    tree.read_exact_at(&mut stored, offset)
        .map_err(unreadable)?;
    if made == stored {
        return Ok(());
    }
    Err(Error::VerityMismatch { offset })
}
