//! From a compressed chunk to bytes that are what the index says.

use crate::digest::Digest;
use crate::payload::index::{Chunk, LONGEST_CHUNK};

/// Where verified bytes go.
pub trait Sink: Send {
    /// Takes bytes whose digest has been checked. Chunks come in the file's order without gaps.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being written; the fetch ends with it.
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()>;

    /// Is told of each piece that came over the network, in bytes.
    fn fetched(&mut self, _bytes: u64) {}
}

/// What is wrong with a chunk.
#[derive(Debug, thiserror::Error)]
pub enum ChunkProblem {
    /// Its compressed form is damaged, or longer than the chunk when unpacked.
    #[error("it cannot be decompressed to {length} bytes: {reason}")]
    Decompress {
        /// How long the chunk should be.
        length: u32,
        /// zstd's message.
        reason: String,
    },
    /// It is shorter than it should be.
    #[error("it is {found} bytes long, the index says {expected}")]
    Length {
        /// As unpacked.
        found: usize,
        /// As the index says.
        expected: u32,
    },
    /// It is not what the publisher packed.
    #[error("its SHA-256 is {found}, the index says {expected}")]
    Digest {
        /// Of the unpacked bytes.
        found: Digest,
        /// As the index says.
        expected: Digest,
    },
}

/// Unpacks chunks one after another into the same buffer.
pub struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
    plain: Vec<u8>,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unpacker")
    }
}

impl Unpacker {
    /// An unpacker; it takes the memory of one chunk.
    ///
    /// # Errors
    /// Fails only for want of memory.
    pub fn new() -> std::io::Result<Self> {
        let zstd = zstd::bulk::Decompressor::new()?;
        Ok(Self {
            zstd,
            plain: vec![0; LONGEST_CHUNK as usize],
        })
    }

    /// The plain bytes of a chunk, whose length and digest are those of the index.
    ///
    /// # Errors
    /// [`ChunkProblem`]: the bytes are not that chunk.
    pub fn unpack(&mut self, packed: &[u8], chunk: &Chunk) -> Result<&[u8], ChunkProblem> {
        let room = self
            .plain
            .get_mut(..chunk.length as usize)
            .unwrap_or_default();
        // The room is the cap: zstd stops at its end, whatever the frame's header promises.
        let found = self
            .zstd
            .decompress_to_buffer(packed, room)
            .map_err(|source| ChunkProblem::Decompress {
                length: chunk.length,
                reason: source.to_string(),
            })?;
        if found != chunk.length as usize {
            return Err(ChunkProblem::Length {
                found,
                expected: chunk.length,
            });
        }
        let digest = Digest::of(room);
        if digest != chunk.sha256 {
            return Err(ChunkProblem::Digest {
                found: digest,
                expected: chunk.sha256,
            });
        }
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(plain: &[u8]) -> (Vec<u8>, Chunk) {
        let packed = zstd::bulk::compress(plain, 3).unwrap();
        let chunk = Chunk {
            sha256: Digest::of(plain),
            length: plain.len() as u32,
            offset: 0,
            packed: packed.len() as u32,
        };
        (packed, chunk)
    }

    #[test]
    fn only_what_the_index_says_comes_out() {
        let mut unpacker = Unpacker::new().unwrap();
        let (bytes, chunk) = packed(b"hello hello");
        assert_eq!(unpacker.unpack(&bytes, &chunk).unwrap(), b"hello hello");
        let longer = Chunk {
            length: 12,
            ..chunk
        };
        assert_eq!(
            unpacker.unpack(&bytes, &longer).unwrap_err().to_string(),
            "it is 11 bytes long, the index says 12"
        );
        let shorter = Chunk {
            length: 10,
            ..chunk
        };
        assert!(matches!(
            unpacker.unpack(&bytes, &shorter),
            Err(ChunkProblem::Decompress { length: 10, .. })
        ));
        let other = Chunk {
            sha256: Digest::of(b"hello"),
            ..chunk
        };
        assert!(matches!(
            unpacker.unpack(&bytes, &other),
            Err(ChunkProblem::Digest { .. })
        ));
        assert!(matches!(
            unpacker.unpack(b"", &chunk),
            Err(ChunkProblem::Length { .. } | ChunkProblem::Decompress { .. })
        ));
    }
}
