//! The packs of older releases: a chunk that they have need not be compressed again.
//!
//! They come from a disk, and no frame of them is believed: it is taken when it unpacks to the chunk, which costs little
//! beside compressing it.

use std::collections::HashMap;
use std::fs::File;

use acl_host::verity::ReadAt;

use crate::digest::Digest;
use crate::payload::frame;
use crate::payload::index::Index;
use crate::payload::way::Way;

/// Packs compressed in the way of one that is to be made. A chunk of them takes some 60 bytes of memory.
#[derive(Debug)]
pub struct Earlier {
    way: Way,
    packs: Vec<File>,
    places: HashMap<Digest, Place>,
}

/// Where the frame of a chunk lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    pack: usize,
    offset: u64,
    packed: u32,
}

impl Earlier {
    /// None of this way.
    pub fn none(way: Way) -> Self {
        Self {
            way,
            packs: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// One more, unless it was compressed in another way. Of a chunk that several have, the first counts.
    pub fn add(&mut self, pack: File, index: &Index) {
        if index.way() != Some(self.way) {
            return;
        }
        for chunk in index.chunks() {
            self.places.entry(chunk.sha256).or_insert(Place {
                pack: self.packs.len(),
                offset: chunk.offset,
                packed: chunk.packed,
            });
        }
        self.packs.push(pack);
    }

    /// The way of all of them.
    pub(super) fn way(&self) -> Way {
        self.way
    }

    /// The frame of a chunk; none when there is none that is whole.
    pub(super) fn frame(&self, plain: &[u8], sha256: &Digest) -> Option<Vec<u8>> {
        let place = self.places.get(sha256)?;
        let mut frame = vec![0; place.packed as usize];
        let pack = self.packs.get(place.pack)?;
        pack.read_exact_at(&mut frame, place.offset).ok()?;
        let mut unpacked = vec![0; plain.len()];
        let length = frame::unpack(&frame, b"", &mut unpacked).ok()?;
        (unpacked.get(..length) == Some(plain)).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::payload::index::Chunk;
    use crate::payload::noise::noise;
    use crate::payload::pack::{Packed, pack};

    const LEVEL: i32 = 9;

    /// Text that can be compressed, of chunks that differ.
    fn text(seed: u64) -> Vec<u8> {
        let words = noise(seed, 300_000).into_iter();
        words
            .flat_map(|byte| format!("{} ", u32::from(byte).pow(2) % 97).into_bytes())
            .collect()
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn packed(plain: &[u8], earlier: &Earlier) -> (Packed, Vec<u8>) {
        let mut bytes = Vec::new();
        (pack(plain, &mut bytes, earlier).unwrap(), bytes)
    }

    /// The pack of `new` when there is one of `old` that is changed by `change`; how many chunks of it were taken.
    fn taken(old: &[u8], new: &[u8], change: impl Fn(&mut Vec<u8>, &mut Vec<Chunk>)) -> usize {
        let none = Earlier::none(Way::of(LEVEL));
        let (older, mut bytes) = packed(old, &none);
        let mut chunks = older.index.chunks().to_vec();
        change(&mut bytes, &mut chunks);
        let mut earlier = Earlier::none(Way::of(LEVEL));
        earlier.add(file(&bytes), &Index::new(chunks).made(Way::of(LEVEL)));
        let ((alone, expected), (made, bytes)) = (packed(new, &none), packed(new, &earlier));
        assert!(bytes == expected);
        assert_eq!(
            (&made.index, made.pack_sha256),
            (&alone.index, alone.pack_sha256)
        );
        made.taken
    }

    #[test]
    fn a_pack_is_the_same_bytes_however_much_of_it_is_taken() {
        let old = text(1);
        let mut new = old.clone();
        new.splice(300_000..300_010, *b"changed");
        let all = packed(&old, &Earlier::none(Way::of(LEVEL))).0.index;
        assert!(all.chunks().len() > 8);
        assert_eq!(taken(&old, &old, |_, _| {}), all.chunks().len());
        assert_eq!(taken(&old, &new, |_, _| {}), all.chunks().len() - 1);
        assert_eq!(taken(&text(2), &new, |_, _| {}), 0);
    }

    #[test]
    fn what_is_damaged_is_compressed_anew() {
        let old = text(1);
        let count = taken(&old, &old, |_, _| {});
        let flipped = |bytes: &mut Vec<u8>, chunks: &mut Vec<Chunk>| {
            let middle = chunks[3].offset + u64::from(chunks[3].packed / 2);
            bytes[middle as usize] ^= 0x40;
        };
        assert_eq!(taken(&old, &old, flipped), count - 1);
        let cut = |bytes: &mut Vec<u8>, _: &mut Vec<Chunk>| bytes.truncate(bytes.len() - 1);
        assert_eq!(taken(&old, &old, cut), count - 1);
        // Frames that are whole, but of other chunks.
        let swapped = |_: &mut Vec<u8>, chunks: &mut Vec<Chunk>| {
            let first = chunks[1].sha256;
            chunks[1].sha256 = chunks[2].sha256;
            chunks[2].sha256 = first;
        };
        assert_eq!(taken(&old, &old, swapped), count - 2);
        // Random bytes lie in a frame as they are: it unpacks without complaint, to something else.
        let random = noise(5, 200_000);
        let whole = taken(&random, &random, |_, _| {});
        let first = |bytes: &mut Vec<u8>, _: &mut Vec<Chunk>| bytes[1000] ^= 1;
        assert_eq!(taken(&random, &random, first), whole - 1);
    }

    #[test]
    fn what_was_compressed_in_another_way_is_left() {
        let old = text(1);
        let (made, bytes) = packed(&old, &Earlier::none(Way::of(LEVEL)));
        assert_eq!(made.index.way(), Some(Way::of(LEVEL)));
        let newer = Way {
            zstd: Way::of(LEVEL).zstd + 1,
            level: LEVEL,
        };
        for way in [Way::of(3), newer] {
            let mut earlier = Earlier::none(way);
            earlier.add(file(&bytes), &made.index);
            earlier.add(file(&bytes), &Index::new(made.index.chunks().to_vec()));
            assert_eq!(packed(&old, &earlier).0.taken, 0);
        }
    }
}
