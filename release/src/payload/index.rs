//! The index of a pack: the chunks of a file and where each one's compressed form lies.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::manifest::Artifact;

/// The form of the document that this code writes and reads.
pub const SCHEMA: u32 = 1;

/// The longest chunk, in bytes. A reader refuses longer ones, so that it knows how much memory a chunk takes.
pub const LONGEST_CHUNK: u32 = 256 * 1024;

/// The largest index that is unpacked, in bytes: enough for 100 GiB in chunks of the usual length.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The list of a file's chunks, in the file's order and without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    schema: u32,
    chunks: Vec<Chunk>,
}

/// One chunk of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The digest of the plain chunk.
    pub sha256: Digest,
    /// Its length in bytes, 1 to [`LONGEST_CHUNK`].
    pub length: u32,
    /// Where its compressed form begins in the pack, in bytes.
    pub offset: u64,
    /// The length of its compressed form (one zstd frame) in bytes.
    pub packed: u32,
}

/// What is wrong with an index.
#[derive(Debug, thiserror::Error)]
pub enum IndexProblem {
    /// Not a zstd frame, or larger than any index.
    #[error("it cannot be decompressed")]
    Decompress(#[source] std::io::Error),
    /// Not the JSON of an index.
    #[error("it is not an index")]
    Parse(#[source] serde_json::Error),
    /// Written by a newer publisher.
    #[error(
        "its schema is {0}, this program knows {SCHEMA}: update through an older release first"
    )]
    Schema(u32),
    /// The chunks do not add up to the file.
    #[error("its chunks add up to {found} bytes, the manifest says {expected}")]
    Size {
        /// The sum of the lengths.
        found: u64,
        /// The size of the artifact.
        expected: u64,
    },
    /// A chunk is longer than allowed or empty.
    #[error("chunk {number} is {length} bytes long, 1 to {LONGEST_CHUNK} are allowed")]
    Length {
        /// The chunk, counted from 0.
        number: usize,
        /// Its length.
        length: u32,
    },
    /// A chunk's compressed form lies outside of the pack, or is empty or far too long.
    #[error("chunk {number} lies at {offset}+{packed}, outside of the pack of {pack} bytes")]
    Place {
        /// The chunk, counted from 0.
        number: usize,
        /// Where it begins.
        offset: u64,
        /// How long it is.
        packed: u32,
        /// The pack's size.
        pack: u64,
    },
}

impl Index {
    /// An index of these chunks.
    pub fn new(chunks: Vec<Chunk>) -> Self {
        Self {
            schema: SCHEMA,
            chunks,
        }
    }

    /// Reads an index that has the digest the manifest says, and checks it against the artifact that it describes.
    ///
    /// # Errors
    /// [`IndexProblem`]: what does not fit.
    pub fn parse(bytes: &[u8], artifact: &Artifact) -> Result<Self, IndexProblem> {
        let plain = decompress(bytes, LARGEST).map_err(IndexProblem::Decompress)?;
        let index: Self = serde_json::from_slice(&plain).map_err(IndexProblem::Parse)?;
        index.check(artifact)?;
        Ok(index)
    }

    /// The bytes of the index as it is published.
    ///
    /// # Errors
    /// Fails only for want of memory.
    pub fn format(&self) -> std::io::Result<Vec<u8>> {
        zstd::bulk::compress(&serde_json::to_vec(self)?, 9)
    }

    fn check(&self, artifact: &Artifact) -> Result<(), IndexProblem> {
        if self.schema != SCHEMA {
            return Err(IndexProblem::Schema(self.schema));
        }
        for (number, chunk) in self.chunks.iter().enumerate() {
            if !(1..=LONGEST_CHUNK).contains(&chunk.length) {
                return Err(IndexProblem::Length {
                    number,
                    length: chunk.length,
                });
            }
            let end = chunk.offset.checked_add(u64::from(chunk.packed));
            // A frame of random bytes is a little longer than the bytes; nothing honest is twice as long.
            let sane = (1..=2 * LONGEST_CHUNK).contains(&chunk.packed)
                && end.is_some_and(|end| end <= artifact.pack.size);
            if !sane {
                let (offset, packed) = (chunk.offset, chunk.packed);
                return Err(IndexProblem::Place {
                    number,
                    offset,
                    packed,
                    pack: artifact.pack.size,
                });
            }
        }
        let found = self.size();
        let fits = found == artifact.size;
        fits.then_some(()).ok_or(IndexProblem::Size {
            found,
            expected: artifact.size,
        })
    }

    /// The chunks in the file's order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.start_of(self.chunks.len())
    }

    /// Where a chunk begins in the file, in bytes; for the number of chunks, the file's size.
    pub fn start_of(&self, number: usize) -> u64 {
        self.chunks
            .iter()
            .take(number)
            .map(|chunk| u64::from(chunk.length))
            .sum()
    }

    /// The first chunk that does not lie wholly below `offset`: where to go on when that many bytes are written.
    pub fn first_beyond(&self, offset: u64) -> usize {
        let mut end = 0;
        self.chunks
            .iter()
            .take_while(|chunk| {
                end += u64::from(chunk.length);
                end <= offset
            })
            .count()
    }

    /// The packs' byte ranges that hold the chunks from `first` on: neighbours in one range.
    pub fn ranges(&self, first: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (number, chunk) in self.chunks.iter().enumerate().skip(first) {
            let end = chunk.offset + u64::from(chunk.packed);
            match runs.last_mut() {
                Some(run) if run.bytes.end == chunk.offset => {
                    run.bytes.end = end;
                    run.chunks.end = number + 1;
                }
                _ => runs.push(Run {
                    chunks: number..number + 1,
                    bytes: chunk.offset..end,
                }),
            }
        }
        runs
    }
}

/// Chunks whose compressed forms lie behind one another in the pack: one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Their numbers.
    pub chunks: Range<usize>,
    /// Their bytes in the pack.
    pub bytes: Range<u64>,
}

/// Decompresses a zstd frame of unknown length, but no more than `limit` bytes of it.
fn decompress(bytes: &[u8], limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::new(bytes)?
        .take(limit + 1)
        .read_to_end(&mut plain)?;
    if plain.len() as u64 > limit {
        return Err(std::io::Error::other(format!(
            "it is longer than {limit} bytes"
        )));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Blob;

    fn chunk(length: u32, offset: u64, packed: u32) -> Chunk {
        Chunk {
            sha256: Digest::of(b""),
            length,
            offset,
            packed,
        }
    }

    fn artifact(size: u64, pack: u64) -> Artifact {
        let blob = |size| Blob {
            sha256: Digest::of(b""),
            size,
        };
        Artifact {
            size,
            sha256: Digest::of(b""),
            index: blob(1),
            pack: blob(pack),
        }
    }

    fn index() -> Index {
        Index::new(vec![
            chunk(10, 0, 5),
            chunk(20, 5, 6),
            chunk(30, 20, 7),
            chunk(40, 27, 8),
        ])
    }

    #[test]
    fn round_trip() {
        let bytes = index().format().unwrap();
        assert_eq!(Index::parse(&bytes, &artifact(100, 35)).unwrap(), index());
    }

    #[test]
    fn positions() {
        let index = index();
        let starts: Vec<u64> = (0..=4).map(|number| index.start_of(number)).collect();
        assert_eq!(starts, [0, 10, 30, 60, 100]);
        for (offset, first) in [
            (0, 0),
            (9, 0),
            (10, 1),
            (29, 1),
            (30, 2),
            (99, 3),
            (100, 4),
            (1000, 4),
        ] {
            assert_eq!(index.first_beyond(offset), first, "{offset}");
        }
    }

    #[test]
    fn neighbours_are_fetched_together() {
        let runs = index().ranges(0);
        assert_eq!(
            runs,
            [
                Run {
                    chunks: 0..2,
                    bytes: 0..11
                },
                Run {
                    chunks: 2..4,
                    bytes: 20..35
                }
            ]
        );
        assert_eq!(
            index().ranges(3),
            [Run {
                chunks: 3..4,
                bytes: 27..35
            }]
        );
        assert_eq!(index().ranges(4), []);
    }

    #[test]
    fn what_does_not_fit_the_artifact_is_refused() {
        let cases = [
            (
                index(),
                artifact(99, 35),
                "its chunks add up to 100 bytes, the manifest says 99",
            ),
            (
                index(),
                artifact(100, 34),
                "chunk 3 lies at 27+8, outside of the pack of 34 bytes",
            ),
            (
                Index::new(vec![chunk(0, 0, 1)]),
                artifact(0, 1),
                "chunk 0 is 0 bytes long, 1 to 262144 are allowed",
            ),
            (
                Index::new(vec![chunk(262_145, 0, 1)]),
                artifact(262_145, 1),
                "chunk 0 is 262145 bytes long, 1 to 262144 are allowed",
            ),
            (
                Index::new(vec![chunk(1, u64::MAX, 1)]),
                artifact(1, 1),
                "chunk 0 lies at 18446744073709551615+1, outside of the pack of 1 bytes",
            ),
            (
                Index {
                    schema: 2,
                    chunks: vec![],
                },
                artifact(0, 0),
                "its schema is 2, this program knows 1: update through an older release first",
            ),
        ];
        for (index, artifact, message) in cases {
            assert_eq!(
                Index::parse(&index.format().unwrap(), &artifact)
                    .unwrap_err()
                    .to_string(),
                message
            );
        }
        assert!(matches!(
            Index::parse(b"no zstd", &artifact(0, 0)),
            Err(IndexProblem::Decompress(_))
        ));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = zstd::bulk::compress(&vec![b' '; 1 << 20], 1).unwrap();
        assert_eq!(
            decompress(&bomb, 1000).unwrap_err().to_string(),
            "it is longer than 1000 bytes"
        );
    }
}
