//! The index of a pack: the chunks of a file and where each one's compressed form lies.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::manifest::Form;
use crate::payload::frame;
use crate::payload::way::Way;
use crate::server_text::ServerText;

/// The form of the document that this code writes and reads.
pub const SCHEMA: u32 = 1;

/// The longest chunk, in bytes. A reader refuses longer ones, so that it knows how much memory a chunk takes.
pub const LONGEST_CHUNK: u32 = 256 * 1024;

/// The largest index that is unpacked, in bytes: enough for 6 GiB in chunks of the usual length, while
/// memory stays bounded.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The list of a file's chunks, in the file's order and without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    schema: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    way: Option<Way>,
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
    Parse(#[source] ServerText),
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
        /// The size of the form.
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
            way: None,
            chunks,
        }
    }

    /// The same, of chunks that were compressed in this way.
    pub fn made(self, way: Way) -> Self {
        Self {
            way: Some(way),
            ..self
        }
    }

    /// How the chunks were compressed, all of them; none when the publisher did not say. Readers need not know.
    pub fn way(&self) -> Option<Way> {
        self.way
    }

    /// Reads an index that has the digest the manifest says, and checks it against the form that it describes.
    ///
    /// # Errors
    /// [`IndexProblem`]: what does not fit.
    pub fn parse(bytes: &[u8], form: &Form) -> Result<Self, IndexProblem> {
        let plain = decompress(bytes, LARGEST).map_err(IndexProblem::Decompress)?;
        let index: Self =
            serde_json::from_slice(&plain).map_err(|error| IndexProblem::Parse(error.into()))?;
        index.check(form)?;
        Ok(index)
    }

    /// The bytes of the index as it is published.
    ///
    /// # Errors
    /// Fails only for want of memory.
    pub fn format(&self) -> std::io::Result<Vec<u8>> {
        zstd::bulk::compress(&serde_json::to_vec(self)?, 9)
    }

    fn check(&self, form: &Form) -> Result<(), IndexProblem> {
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
            let sane = (1..=frame::longest(chunk.length)).contains(&chunk.packed)
                && end.is_some_and(|end| end <= form.pack.size);
            if !sane {
                let (offset, packed) = (chunk.offset, chunk.packed);
                return Err(IndexProblem::Place {
                    number,
                    offset,
                    packed,
                    pack: form.pack.size,
                });
            }
        }
        let (found, expected) = (self.size(), form.size);
        let fits = found == expected;
        fits.then_some(())
            .ok_or(IndexProblem::Size { found, expected })
    }

    /// The chunks in the file's order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.chunks
            .iter()
            .map(|chunk| u64::from(chunk.length))
            .sum()
    }

    /// Where each chunk begins in the file, in bytes; at the end the file's size.
    pub fn starts(&self) -> Vec<u64> {
        let mut starts = Vec::with_capacity(self.chunks.len() + 1);
        let mut start = 0;
        starts.push(start);
        for chunk in &self.chunks {
            start += u64::from(chunk.length);
            starts.push(start);
        }
        starts
    }
}

/// Decompresses a zstd frame of unknown length, but no more than `limit` bytes of it.
pub(super) fn decompress(bytes: &[u8], limit: u64) -> std::io::Result<Vec<u8>> {
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

    fn form(size: u64, pack: u64) -> Form {
        let blob = |size| Blob {
            sha256: Digest::of(b""),
            size,
        };
        Form {
            size,
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
        assert_eq!(Index::parse(&bytes, &form(100, 35)).unwrap(), index());
        let made = index().made(Way::of(3));
        let bytes = made.format().unwrap();
        assert_eq!(Index::parse(&bytes, &form(100, 35)).unwrap(), made);
    }

    #[test]
    fn positions() {
        assert_eq!(index().starts(), [0, 10, 30, 60, 100]);
        assert_eq!(index().size(), 100);
    }

    #[test]
    fn what_does_not_fit_the_artifact_is_refused() {
        let cases = [
            (
                index(),
                form(99, 35),
                "its chunks add up to 100 bytes, the manifest says 99",
            ),
            (
                index(),
                form(100, 34),
                "chunk 3 lies at 27+8, outside of the pack of 34 bytes",
            ),
            (
                Index::new(vec![chunk(0, 0, 1)]),
                form(0, 1),
                "chunk 0 is 0 bytes long, 1 to 262144 are allowed",
            ),
            (
                Index::new(vec![chunk(262_145, 0, 1)]),
                form(262_145, 1),
                "chunk 0 is 262145 bytes long, 1 to 262144 are allowed",
            ),
            (
                Index::new(vec![chunk(1, u64::MAX, 1)]),
                form(1, 1),
                "chunk 0 lies at 18446744073709551615+1, outside of the pack of 1 bytes",
            ),
            (
                Index {
                    schema: 2,
                    way: None,
                    chunks: vec![],
                },
                form(0, 0),
                "its schema is 2, this program knows 1: update through an older release first",
            ),
        ];
        for (index, form, message) in cases {
            assert_eq!(
                Index::parse(&index.format().unwrap(), &form)
                    .unwrap_err()
                    .to_string(),
                message
            );
        }
        assert!(matches!(
            Index::parse(b"no zstd", &form(0, 0)),
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
