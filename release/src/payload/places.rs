//! Where in an old file a part of a new one has its like.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;

use acl_host::verity::ReadAt;

use crate::payload::frame::LONGEST_REFERENCE;

/// How much of the old file is taken on either side of the place that fits: code moves about within a library.
const MARGIN: u64 = 128 * 1024;

/// Distances that differ by less are the same place: 64 KiB.
const NEAR: u32 = 16;

/// One place in 128 is remembered.
const RARE: u32 = 7;

/// The bytes that a place is told by: those that shift out of 64 bits.
const TOLD_BY: usize = 64;

/// Some places of a file, picked by what stands before them, so that the same content picks them in another file.
#[derive(Debug)]
pub(super) struct Places {
    at: HashMap<u64, u64>,
    length: u64,
}

impl Places {
    /// Those of a whole file: about 20 bytes of memory for every 128 of the file.
    pub(super) fn of(file: &(impl ReadAt + ?Sized)) -> io::Result<Self> {
        let length = file.length()?;
        let mut at = HashMap::new();
        let mut gear = Gear::default();
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < length {
            let size = (length - offset).min(buffer.len() as u64) as usize;
            file.read_exact_at(&mut buffer[..size], offset)?;
            gear.picked(&buffer[..size], &mut |hash, number| {
                // Of content that repeats, the first counts.
                at.entry(hash).or_insert(offset + number as u64);
            });
            offset += size as u64;
        }
        Ok(Self { at, length })
    }

    /// The part of the file that is most like `new`, which lies at `offset` of the new file, with a margin.
    pub(super) fn like(&self, new: &[u8], offset: u64) -> Option<Range<u64>> {
        // By distance from the new place to the old: how many, the least, the greatest.
        let mut votes: BTreeMap<i64, (u32, i64, i64)> = BTreeMap::new();
        Gear::default().picked(new, &mut |hash, number| {
            if let Some(old) = self.at.get(&hash) {
                let distance = old.cast_signed() - (offset + number as u64).cast_signed();
                let vote = votes
                    .entry(distance >> NEAR)
                    .or_insert((0, distance, distance));
                *vote = (vote.0 + 1, vote.1.min(distance), vote.2.max(distance));
            }
        });
        let (_, least, greatest) = votes.into_values().max_by_key(|vote| vote.0)?;
        let start = offset.saturating_add_signed(least).saturating_sub(MARGIN);
        let end = (offset + new.len() as u64).saturating_add_signed(greatest) + MARGIN;
        let end = end
            .min(self.length)
            .min(start + u64::from(LONGEST_REFERENCE));
        (start < end).then_some(start..end)
    }
}

/// A rolling hash, as FastCDC has it.
#[derive(Default)]
struct Gear {
    hash: u64,
    seen: usize,
}

impl Gear {
    fn picked(&mut self, bytes: &[u8], pick: &mut dyn FnMut(u64, usize)) {
        for (number, byte) in bytes.iter().enumerate() {
            self.hash = (self.hash << 1).wrapping_add(TABLE[usize::from(*byte)]);
            self.seen += 1;
            if self.hash >> (u64::BITS - RARE) == 0 && self.seen > TOLD_BY {
                pick(self.hash, number);
            }
        }
    }
}

/// One number without pattern for each byte.
static TABLE: [u64; 256] = table();

const fn table() -> [u64; 256] {
    let (mut table, mut state, mut number) = ([0; 256], 1_u64, 0);
    while number < table.len() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        table[number] = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        number += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::noise::noise;

    #[test]
    fn what_moved_is_found_where_it_was() {
        let old = noise(1, 3_000_000);
        let places = Places::of(&old[..]).unwrap();
        let mut part = old[2_000_000..2_300_000].to_vec();
        part[150_000] ^= 1;
        let like = places.like(&part, 500_000).unwrap();
        assert!(like.start <= 2_000_000 && like.end >= 2_300_000, "{like:?}");
        assert!(like.end - like.start <= 300_000 + 2 * MARGIN, "{like:?}");
    }

    #[test]
    fn what_is_new_is_like_nothing() {
        let places = Places::of(&noise(1, 500_000)[..]).unwrap();
        assert_eq!(places.like(&noise(2, 100_000), 0), None);
        assert_eq!(places.like(b"short", 0), None);
    }

    #[test]
    fn a_part_at_the_end_stays_within_the_file() {
        let old = noise(3, 400_000);
        let places = Places::of(&old[..]).unwrap();
        let like = places.like(&old[200_000..], 200_000).unwrap();
        assert!(like.end == 400_000 && like.start <= 200_000, "{like:?}");
        let far = places.like(&old[..200_000], 1 << 40).unwrap();
        assert_eq!(far.start, 0);
    }
}
