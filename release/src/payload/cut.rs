//! Cutting a file into chunks where its content says so, so that equal content gives equal chunks wherever it lies.

use std::io::{self, Read};

use fastcdc::v2020::{Error as CutError, StreamCDC};

use crate::payload::index::LONGEST_CHUNK;

/// The shortest chunk, in bytes, but for the last of a file.
const SHORTEST: usize = 16 * 1024;

/// The length that most chunks are near, in bytes.
const USUAL: usize = 64 * 1024;

/// The chunks of what `source` gives, in order and without gaps.
pub fn cut<R: Read>(source: R) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    StreamCDC::new(source, SHORTEST, USUAL, LONGEST_CHUNK as usize).map(|chunk| match chunk {
        Ok(chunk) => Ok(chunk.data),
        Err(CutError::IoError(error)) => Err(error),
        Err(other) => Err(io::Error::other(other.to_string())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::noise::noise;

    fn chunks(bytes: &[u8]) -> Vec<Vec<u8>> {
        cut(bytes).collect::<io::Result<_>>().unwrap()
    }

    #[test]
    fn chunks_join_to_the_file_and_keep_their_limits() {
        for bytes in [Vec::new(), vec![7], vec![0; 1 << 20], noise(1, 3_000_000)] {
            let chunks = chunks(&bytes);
            assert_eq!(chunks.concat(), bytes);
            assert!(
                chunks
                    .iter()
                    .all(|chunk| (1..=LONGEST_CHUNK as usize).contains(&chunk.len()))
            );
        }
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let old = noise(1, 4_000_000);
        let mut new = old.clone();
        new.splice(1_000_000..1_000_000, *b"inserted");
        let known: std::collections::HashSet<Vec<u8>> = chunks(&old).into_iter().collect();
        let changed = chunks(&new)
            .iter()
            .filter(|chunk| !known.contains(*chunk))
            .count();
        assert!((1..=3).contains(&changed), "{changed}");
    }
}
