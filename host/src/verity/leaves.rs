//! A tree that is made while its data is being written, piece by piece and in any order, in little memory.

use ring::digest::{Context, SHA256};

use super::build::{Parameters, Tree, hash_blocks};
use super::superblock::Superblock;
use super::{BLOCK, DIGEST, FAN, levels};
use crate::error::{Error, Result};

/// Bytes of data that one leaf block stands for: 512 KiB. Pieces begin at multiples of it.
pub const LEAF_SPAN: u64 = (FAN * BLOCK) as u64;

/// The lowest level is handed out as it is made; what is kept is one digest for each of its blocks, 1/16384 of the data.
pub struct Leaves {
    parameters: Parameters,
    salted: Context,
    blocks: u64,
    above: Vec<u8>,
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaves")
    }
}

/// Leaf blocks and where they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Where in the verity partition, in bytes.
    pub offset: u64,
    /// Whole blocks.
    pub bytes: Vec<u8>,
}

impl Leaves {
    /// For `length` bytes of data.
    ///
    /// # Errors
    /// [`Error::OddLength`] when that is nothing or not a whole number of blocks.
    pub fn new(length: u64, parameters: &Parameters) -> Result<Self> {
        if length == 0 || !length.is_multiple_of(BLOCK as u64) {
            return Err(Error::OddLength { length });
        }
        let mut salted = Context::new(&SHA256);
        salted.update(&parameters.salt);
        let blocks = length / BLOCK as u64;
        let leaves = blocks.div_ceil(FAN as u64) as usize;
        Ok(Self {
            parameters: parameters.clone(),
            salted,
            blocks,
            above: vec![0; leaves * DIGEST],
        })
    }

    /// The leaf blocks over a piece of the data, which begins at a multiple of [`LEAF_SPAN`] and ends at one or with the
    /// data. A piece may come again: the last one counts.
    ///
    /// # Errors
    /// [`Error::OddLength`] for a piece that does not fit.
    pub fn put(&mut self, offset: u64, data: &[u8]) -> Result<Run> {
        let (length, end) = (data.len() as u64, self.blocks * BLOCK as u64);
        let fits = offset.is_multiple_of(LEAF_SPAN)
            && offset.saturating_add(length) <= end
            && (length.is_multiple_of(LEAF_SPAN) || offset + length == end);
        if !fits {
            return Err(Error::OddLength { length });
        }
        let mut bytes = hash_blocks(data, &self.salted);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        let first = (offset / LEAF_SPAN) as usize;
        // A single block of data needs no leaf: its own digest is the root.
        let above = match self.blocks {
            1 => bytes[..DIGEST].to_vec(),
            _ => hash_blocks(&bytes, &self.salted),
        };
        self.above[first * DIGEST..][..above.len()].copy_from_slice(&above);
        let upper: u64 = levels(self.blocks).iter().skip(1).sum();
        Ok(Run {
            offset: (1 + upper + first as u64) * BLOCK as u64,
            bytes: if self.blocks == 1 { Vec::new() } else { bytes },
        })
    }

    /// The superblock and the levels above the leaves, as the verity partition begins, and the root; every piece was put.
    ///
    /// # Errors
    /// [`Error::VeritySuperblock`] for a salt that is too long.
    pub fn finish(self) -> Result<Tree> {
        let superblock = Superblock {
            uuid: self.parameters.uuid,
            blocks: self.blocks,
            salt: self.parameters.salt,
        };
        let upper = levels(self.blocks).into_iter().skip(1);
        Tree::grow(&superblock, self.above, upper, &self.salted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verity::build;

    #[test]
    fn in_pieces_and_out_of_order_it_is_the_same_tree() {
        let span = LEAF_SPAN as usize;
        for blocks in [1, 2, 127, 128, 129, 128 * 3 + 5, 128 * 128 + 1, 128 * 130] {
            let data: Vec<u8> = (0..blocks * BLOCK)
                .map(|number| (number / 7 % 251) as u8)
                .collect();
            let parameters = Parameters::from_data(&data[..]).unwrap();
            let whole = build(&data[..], &parameters).unwrap();
            let mut leaves = Leaves::new(data.len() as u64, &parameters).unwrap();
            let mut made = vec![0; whole.bytes.len()];
            let mut put = |offset: usize, piece: &[u8]| {
                let run = leaves.put(offset as u64, piece).unwrap();
                made[run.offset as usize..][..run.bytes.len()].copy_from_slice(&run.bytes);
            };
            put(0, &vec![0; span.min(data.len())]);
            let pieces: Vec<_> = data.chunks(2 * span).enumerate().collect();
            for (number, piece) in pieces.into_iter().rev() {
                put(number * 2 * span, piece);
            }
            let top = leaves.finish().unwrap();
            made[..top.bytes.len()].copy_from_slice(&top.bytes);
            assert_eq!(top.root, whole.root, "{blocks}");
            assert!(made == whole.bytes, "{blocks}");
        }
    }

    #[test]
    fn pieces_that_do_not_fit_are_refused() {
        let parameters = Parameters {
            salt: vec![1],
            uuid: [0; 16],
        };
        for length in [0, 5000] {
            let refused = Leaves::new(length, &parameters).map(|_| ());
            assert!(matches!(refused, Err(Error::OddLength { length: told }) if told == length));
        }
        let mut leaves = Leaves::new(2 * LEAF_SPAN, &parameters).unwrap();
        for (offset, length) in [(4096, 4096), (0, 4096), (LEAF_SPAN, 2 * LEAF_SPAN)] {
            let refused = leaves.put(offset, &vec![0; length as usize]);
            let as_expected =
                matches!(refused, Err(Error::OddLength { length: told }) if told == length);
            assert!(as_expected, "{offset}: {refused:?}");
        }
    }
}
