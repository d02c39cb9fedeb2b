//! The superblock before the tree: 512 bytes that say how the tree was made.
//!
//! Layout: `struct verity_sb` of cryptsetup (lib/verity/verity.c); all numbers little endian.

use super::BLOCK;
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"verity\0\0";
const ALGORITHM: &[u8; 32] = b"sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const LONGEST_SALT: usize = 256;

/// What the superblock holds besides the fixed choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) uuid: [u8; 16],
    pub(super) blocks: u64,
    pub(super) salt: Vec<u8>,
}

impl Superblock {
    /// The block, padded with zeros.
    pub(super) fn to_block(&self) -> Result<Vec<u8>> {
        if self.salt.len() > LONGEST_SALT {
            return Err(refused("the salt is longer than 256 bytes"));
        }
        let size = BLOCK as u32;
        let mut bytes = Vec::with_capacity(BLOCK);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&1u32.to_le_bytes());
        bytes.extend_from_slice(&1u32.to_le_bytes());
        bytes.extend_from_slice(&self.uuid);
        bytes.extend_from_slice(ALGORITHM);
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&self.blocks.to_le_bytes());
        bytes.extend_from_slice(&(self.salt.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&self.salt);
        bytes.resize(BLOCK, 0);
        Ok(bytes)
    }

    /// Reads it back; refuses every choice but ours.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self> {
        let fixed = [
            (0, MAGIC.as_slice(), "the magic number is missing"),
            (8, &1u32.to_le_bytes(), "the version is not 1"),
            (12, &1u32.to_le_bytes(), "the hash type is not 1"),
            (32, ALGORITHM, "the algorithm is not sha256"),
            (64, &4096u32.to_le_bytes(), "data blocks are not 4096 bytes"),
            (68, &4096u32.to_le_bytes(), "hash blocks are not 4096 bytes"),
        ];
        for (offset, expected, reason) in fixed {
            if !block[offset..].starts_with(expected) {
                return Err(refused(reason));
            }
        }
        let salt_length = usize::from(u16::from_le_bytes([block[80], block[81]]));
        if salt_length > LONGEST_SALT {
            return Err(refused("the salt is longer than 256 bytes"));
        }
        let (mut uuid, mut blocks) = ([0; 16], [0; 8]);
        uuid.copy_from_slice(&block[16..32]);
        blocks.copy_from_slice(&block[72..80]);
        Ok(Self {
            uuid,
            blocks: u64::from_le_bytes(blocks),
            salt: block[88..88 + salt_length].to_vec(),
        })
    }
}

fn refused(reason: &str) -> Error {
    Error::VeritySuperblock {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Superblock};

    fn block() -> [u8; BLOCK] {
        let superblock = Superblock {
            uuid: [7; 16],
            blocks: 300,
            salt: vec![9; 32],
        };
        superblock.to_block().unwrap().try_into().unwrap()
    }

    #[test]
    fn round_trip() {
        let parsed = Superblock::parse(&block()).unwrap();
        assert_eq!(parsed.to_block().unwrap(), block());
        assert_eq!((parsed.blocks, parsed.salt.len()), (300, 32));
    }

    #[test]
    fn refuses_other_choices() {
        for (offset, reason) in [
            (0, "the magic number is missing"),
            (8, "the version is not 1"),
            (12, "the hash type is not 1"),
            (32, "the algorithm is not sha256"),
            (38, "the algorithm is not sha256"),
            (65, "data blocks are not 4096 bytes"),
            (69, "hash blocks are not 4096 bytes"),
            (81, "the salt is longer than 256 bytes"),
        ] {
            let mut block = block();
            block[offset] ^= 0x40;
            let error = Superblock::parse(&block).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("no verity superblock that this version can read: {reason}")
            );
        }
        let long = Superblock {
            uuid: [0; 16],
            blocks: 1,
            salt: vec![0; 257],
        };
        assert_eq!(
            long.to_block().unwrap_err().to_string(),
            "no verity superblock that this version can read: the salt is longer than 256 bytes"
        );
    }
}
