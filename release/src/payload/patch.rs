//! The document of a patch: step by step, how the chunks of a new file are had from an old one.

use serde::{Deserialize, Serialize};

use crate::manifest::ArtifactPatch;
use crate::payload::frame::{self, LONGEST_FRAME, LONGEST_REFERENCE};
use crate::payload::index::{Index, decompress};
use crate::server_text::ServerText;

/// The form of the document that this code writes and reads.
pub const SCHEMA: u32 = 1;

/// The largest document that is unpacked, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The steps, in the order of the new file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    schema: u32,
    steps: Vec<Step>,
}

/// How the next chunks of the new file are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// They lie in the old file, one behind the other.
    Same {
        /// How many chunks.
        chunks: u32,
        /// Where the first begins in the old file.
        at: u64,
    },
    /// They are the next frame of the pack.
    Frame {
        /// How many chunks; together at most [`LONGEST_FRAME`] bytes.
        chunks: u32,
        /// Where the part of the old file begins that the frame is compressed against.
        at: u64,
        /// The length of that part, at most [`LONGEST_REFERENCE`]; 0 for none.
        reference: u32,
        /// The length of the frame.
        packed: u32,
    },
}

/// What is wrong with a patch.
#[derive(Debug, thiserror::Error)]
pub enum PatchProblem {
    /// Not a zstd frame, or larger than any patch.
    #[error("it cannot be decompressed")]
    Decompress(#[source] std::io::Error),
    /// Not the JSON of a patch.
    #[error("it is not a patch")]
    Parse(#[source] ServerText),
    /// Written by a newer publisher.
    #[error("its schema is {0}, this program knows {SCHEMA}")]
    Schema(u32),
    /// A step is about nothing, too large, or lies outside of the old file.
    #[error("step {0} does not fit the files")]
    Step(usize),
    /// The steps do not add up to the file or the pack.
    #[error("its steps do not add up to the file")]
    Sum,
}

impl Patch {
    /// A patch of these steps.
    pub fn new(steps: Vec<Step>) -> Self {
        Self {
            schema: SCHEMA,
            steps,
        }
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The bytes of the patch as it is published.
    ///
    /// # Errors
    /// Fails only for want of memory.
    pub fn format(&self) -> std::io::Result<Vec<u8>> {
        zstd::bulk::compress(&serde_json::to_vec(self)?, 19)
    }

    /// Reads a patch that has the digest the manifest says, and checks it against the index of the new file.
    ///
    /// # Errors
    /// [`PatchProblem`]: what does not fit.
    pub fn parse(
        bytes: &[u8],
        described: &ArtifactPatch,
        index: &Index,
    ) -> Result<Self, PatchProblem> {
        let plain = decompress(bytes, LARGEST).map_err(PatchProblem::Decompress)?;
        let patch: Self =
            serde_json::from_slice(&plain).map_err(|error| PatchProblem::Parse(error.into()))?;
        if patch.schema != SCHEMA {
            return Err(PatchProblem::Schema(patch.schema));
        }
        patch.check(described, index)?;
        Ok(patch)
    }

    fn check(&self, described: &ArtifactPatch, index: &Index) -> Result<(), PatchProblem> {
        let old = described.base.unpacked_size();
        let within = |at: u64, length: u64| at.checked_add(length).is_some_and(|end| end <= old);
        let (mut first, mut packed_sum) = (0, 0_u64);
        for (number, step) in self.steps.iter().enumerate() {
            let end = first + step.chunks() as usize;
            let chunks = index.chunks().get(first..end);
            let chunks = chunks.ok_or(PatchProblem::Sum)?;
            let plain: u64 = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
            let fits = match *step {
                Step::Same { at, .. } => within(at, plain),
                Step::Frame {
                    at,
                    reference,
                    packed,
                    ..
                } => {
                    packed_sum += u64::from(packed);
                    plain <= u64::from(LONGEST_FRAME)
                        && reference <= LONGEST_REFERENCE
                        && (1..=frame::longest(plain as u32)).contains(&packed)
                        && within(at, reference.into())
                }
            };
            if !fits || chunks.is_empty() {
                return Err(PatchProblem::Step(number));
            }
            first = end;
        }
        let whole = first == index.chunks().len() && packed_sum == described.pack.size;
        whole.then_some(()).ok_or(PatchProblem::Sum)
    }
}

impl Step {
    /// How many chunks of the new file it makes.
    pub fn chunks(&self) -> u32 {
        match self {
            Self::Same { chunks, .. } | Self::Frame { chunks, .. } => *chunks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::manifest::{Base, Blob};
    use crate::payload::index::Chunk;

    const PACK: u64 = 30;
    const OLD: u64 = 500;

    fn described() -> ArtifactPatch {
        let blob = |size| Blob {
            sha256: Digest::of(b""),
            size,
        };
        ArtifactPatch {
            base: Base {
                size: OLD,
                sha256: Digest::of(b""),
                inner: Vec::new(),
            },
            index: blob(1),
            pack: blob(PACK),
        }
    }

    fn index() -> Index {
        let chunk = Chunk {
            sha256: Digest::of(b""),
            length: 100,
            offset: 0,
            packed: 1,
        };
        Index::new(vec![chunk; 4])
    }

    fn same(chunks: u32, at: u64) -> Step {
        Step::Same { chunks, at }
    }

    fn frame(chunks: u32, at: u64, reference: u32, packed: u32) -> Step {
        Step::Frame {
            chunks,
            at,
            reference,
            packed,
        }
    }

    #[test]
    fn round_trip() {
        let patch = Patch::new(vec![
            same(1, 400),
            frame(2, 0, 500, 10),
            frame(1, 500, 0, 20),
        ]);
        let bytes = patch.format().unwrap();
        assert_eq!(Patch::parse(&bytes, &described(), &index()).unwrap(), patch);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let step = "step 0 does not fit the files";
        let sum = "its steps do not add up to the file";
        let cases = [
            (vec![same(4, 101), frame(0, 0, 0, 30)], step),
            (vec![same(4, u64::MAX)], step),
            (vec![same(0, 0), same(4, 0)], step),
            (vec![frame(4, 1, 500, 30)], step),
            (vec![frame(4, 0, LONGEST_REFERENCE + 1, 30)], step),
            (vec![frame(4, 0, 0, 0)], step),
            (vec![frame(4, 0, 0, u32::MAX)], step),
            (vec![same(3, 0)], sum),
            (vec![same(5, 0)], sum),
            (vec![same(4, 0)], sum),
            (vec![frame(4, 0, 0, 31)], sum),
            (vec![], sum),
        ];
        for (steps, message) in cases {
            let bytes = Patch::new(steps.clone()).format().unwrap();
            let refused = Patch::parse(&bytes, &described(), &index()).unwrap_err();
            assert_eq!(refused.to_string(), message, "{steps:?}");
        }
        let newer = Patch {
            schema: 2,
            steps: Vec::new(),
        };
        let refused = Patch::parse(&newer.format().unwrap(), &described(), &index()).unwrap_err();
        assert_eq!(refused.to_string(), "its schema is 2, this program knows 1");
        assert!(matches!(
            Patch::parse(b"no zstd", &described(), &index()),
            Err(PatchProblem::Decompress(_))
        ));
    }

    #[test]
    fn a_frame_is_no_longer_than_a_node_holds() {
        let chunk = Chunk {
            sha256: Digest::of(b""),
            length: 256 * 1024,
            offset: 0,
            packed: 1,
        };
        let index = Index::new(vec![chunk; 5]);
        let bytes = Patch::new(vec![frame(5, 0, 0, 30)]).format().unwrap();
        assert!(matches!(
            Patch::parse(&bytes, &described(), &index),
            Err(PatchProblem::Step(0))
        ));
    }
}
