//! What of a file is to be had from where; pure.

use std::collections::HashMap;
use std::ops::Range;

use crate::digest::Digest;
use crate::payload::index::Index;
use crate::payload::patch::{Patch, Step};

/// How one or a few chunks that follow one another are had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Their numbers.
    pub chunks: Range<usize>,
    /// Where they come from.
    pub source: Source,
}

/// Where chunks come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The old file, from this byte on.
    Old(u64),
    /// A frame.
    Frame {
        /// Where it lies in the pack.
        bytes: Range<u64>,
        /// The part of the old file that it was compressed against.
        reference: Range<u64>,
    },
}

impl Task {
    /// What has to be fetched of the pack.
    pub fn bytes(&self) -> Range<u64> {
        match &self.source {
            Source::Old(_) => 0..0,
            Source::Frame { bytes, .. } => bytes.clone(),
        }
    }
}

/// By a patch, all of what `wanted` names. Where a frame holds wanted and other chunks, it is had as a whole.
pub fn by_patch(patch: &Patch, wanted: &[bool]) -> Vec<Task> {
    let (mut tasks, mut first, mut offset) = (Vec::new(), 0, 0);
    for step in patch.steps() {
        let chunks = first..first + step.chunks() as usize;
        first = chunks.end;
        let source = match *step {
            Step::Same { at, .. } => Source::Old(at),
            Step::Frame {
                at,
                reference,
                packed,
                ..
            } => {
                let bytes = offset..offset + u64::from(packed);
                offset = bytes.end;
                Source::Frame {
                    bytes,
                    reference: at..at + u64::from(reference),
                }
            }
        };
        if chunks
            .clone()
            .any(|number| wanted.get(number) == Some(&true))
        {
            tasks.push(Task { chunks, source });
        }
    }
    tasks
}

/// From an old file of which there is no patch: the wanted chunks that lie in it.
pub fn by_content(index: &Index, wanted: &[bool], old: &HashMap<Digest, u64>) -> Vec<Task> {
    let numbered = index.chunks().iter().zip(wanted).enumerate();
    numbered
        .filter(|(_, (_, wanted))| **wanted)
        .filter_map(|(number, (chunk, _))| {
            Some(Task {
                chunks: number..number + 1,
                source: Source::Old(*old.get(&chunk.sha256)?),
            })
        })
        .collect()
}

/// From the pack of the whole file: each wanted chunk alone.
pub fn whole(index: &Index, wanted: &[bool]) -> Vec<Task> {
    let numbered = index.chunks().iter().zip(wanted).enumerate();
    numbered
        .filter(|(_, (_, wanted))| **wanted)
        .map(|(number, (chunk, _))| Task {
            chunks: number..number + 1,
            source: Source::Frame {
                bytes: chunk.offset..chunk.offset + u64::from(chunk.packed),
                reference: 0..0,
            },
        })
        .collect()
}

/// The ranges of the pack that tasks need, in their order; which of them share a request is the download's business.
pub fn ranges(tasks: &[Task]) -> Vec<Range<u64>> {
    let bytes = tasks.iter().map(Task::bytes);
    bytes.filter(|bytes| !bytes.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::index::Chunk;

    fn index() -> Index {
        let chunk = |(number, (offset, packed)): (usize, &(u64, u32))| Chunk {
            sha256: Digest::of(&[number as u8]),
            length: 10,
            offset: *offset,
            packed: *packed,
        };
        let places = [(0, 5), (5, 6), (20, 7), (27, 8)];
        Index::new(places.iter().enumerate().map(chunk).collect())
    }

    fn frame(chunks: Range<usize>, bytes: Range<u64>, reference: Range<u64>) -> Task {
        Task {
            chunks,
            source: Source::Frame { bytes, reference },
        }
    }

    fn old(chunks: Range<usize>, at: u64) -> Task {
        Task {
            chunks,
            source: Source::Old(at),
        }
    }

    #[test]
    fn only_what_is_wanted_is_taken_of_the_pack() {
        let tasks = whole(&index(), &[true; 4]);
        assert_eq!(ranges(&tasks), [0..5, 5..11, 20..27, 27..35]);
        let tasks = whole(&index(), &[true, false, false, true]);
        assert_eq!(tasks, [frame(0..1, 0..5, 0..0), frame(3..4, 27..35, 0..0)]);
        assert_eq!(ranges(&tasks), [0..5, 27..35]);
        assert_eq!(whole(&index(), &[false; 4]), []);
    }

    #[test]
    fn a_patch_is_followed_as_far_as_it_is_wanted() {
        let patch = Patch::new(vec![
            Step::Same { chunks: 1, at: 90 },
            Step::Frame {
                chunks: 2,
                at: 40,
                reference: 30,
                packed: 9,
            },
            Step::Frame {
                chunks: 1,
                at: 0,
                reference: 0,
                packed: 4,
            },
        ]);
        let all = by_patch(&patch, &[true; 4]);
        assert_eq!(
            all,
            [
                old(0..1, 90),
                frame(1..3, 0..9, 40..70),
                frame(3..4, 9..13, 0..0)
            ]
        );
        assert_eq!(ranges(&all), [0..9, 9..13]);
        let half = by_patch(&patch, &[false, false, true, false]);
        assert_eq!(half, [frame(1..3, 0..9, 40..70)]);
        let last = by_patch(&patch, &[false, false, false, true]);
        assert_eq!(ranges(&last), vec![(9..13)]);
    }

    #[test]
    fn without_a_patch_what_is_the_same_is_taken() {
        let known = HashMap::from([(Digest::of(&[1]), 70), (Digest::of(&[3]), 7)]);
        let tasks = by_content(&index(), &[true, true, true, false], &known);
        assert_eq!(tasks, [old(1..2, 70)]);
        assert_eq!(ranges(&tasks), []);
    }
}
