//! dm-verity hash trees, made and checked by own code.
//!
//! The format is that of `veritysetup format` and of the kernel (Documentation/admin-guide/device-mapper/verity.rst):
//! superblock version 1, hash type 1, SHA-256, blocks of 4096 bytes, the salt before the data.

mod build;
mod check;
mod leaves;
mod read_at;
mod root_hash;
mod superblock;

pub use build::{Parameters, Tree, build};
pub use check::{check, check_tree, data_length, verify};
pub use leaves::{LEAF_SPAN, Leaves, Run};
pub use read_at::ReadAt;
pub use root_hash::RootHash;

/// Bytes in a block, of data and of hashes.
pub const BLOCK: usize = 4096;

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// Hashes in a hash block.
const FAN: usize = BLOCK / DIGEST;

/// How many threads read and hash.
const THREADS: u64 = 2;

/// The lengths in blocks of the levels of the tree over `blocks` data blocks, the leaves first. A single data block
/// needs no tree: its hash is the root.
fn levels(blocks: u64) -> Vec<u64> {
    let mut levels = Vec::new();
    let mut below = blocks;
    while below > 1 {
        below = below.div_ceil(FAN as u64);
        levels.push(below);
    }
    levels
}

/// Bytes of the superblock and the tree over `length` bytes of data: what a verity partition must hold at least.
pub fn tree_length(length: u64) -> u64 {
    let blocks = levels(length.div_ceil(BLOCK as u64)).iter().sum::<u64>() + 1;
    blocks * BLOCK as u64
}

#[cfg(test)]
mod tests {
    use super::{levels, tree_length};

    #[test]
    fn shapes_of_trees() {
        assert_eq!(levels(1), [0; 0]);
        assert_eq!(levels(2), [1]);
        assert_eq!(levels(128), [1]);
        assert_eq!(levels(129), [2, 1]);
        assert_eq!(levels(128 * 128), [128, 1]);
        assert_eq!(levels(128 * 128 + 1), [129, 2, 1]);
        assert_eq!(tree_length(4096), 4096);
        assert_eq!(tree_length(129 * 4096), 4 * 4096);
        assert_eq!(tree_length(129 * 4096 - 1), 4 * 4096);
    }
}
