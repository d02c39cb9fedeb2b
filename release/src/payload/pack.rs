//! From a file to its pack and index; what no older pack has is compressed, on two threads.

use std::io::{self, Read, Write};

use crate::digest::{Digest, Digester};
use crate::payload::cut::cut;
use crate::payload::earlier::Earlier;
use crate::payload::index::{Chunk, Index};
use crate::payload::threads::in_order;

/// The level of zstd when nothing else is asked for. 482 MB of libraries and programs on two cores: level 3 takes 3 s
/// for 182 MB, 9 takes 7 s for 171 MB, 12 takes 13 s for 171 MB, 15 takes 23 s for 161 MB.
pub const USUAL_LEVEL: i32 = 9;

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The size of the file in bytes.
    pub size: u64,
    /// The digest of the file.
    pub sha256: Digest,
    /// The size of the pack in bytes.
    pub pack_size: u64,
    /// The digest of the pack.
    pub pack_sha256: Digest,
    /// Where each chunk lies in the pack.
    pub index: Index,
    /// How many of the chunks were taken from older packs; the others were compressed.
    pub taken: usize,
}

/// A chunk on its way through a thread.
struct Pressed {
    sha256: Digest,
    plain: Vec<u8>,
    packed: Vec<u8>,
    taken: bool,
}

/// Packs what `source` gives into `pack`, in the way of `earlier`. The same bytes and way give the same pack, whatever of
/// it is taken from there.
///
/// # Errors
/// Those of reading, compressing and writing.
pub fn pack<R: Read + Send, W: Write>(
    source: R,
    pack: &mut W,
    earlier: &Earlier,
) -> io::Result<Packed> {
    let (mut whole, mut written) = (Digester::default(), Digester::default());
    let (mut chunks, mut size, mut offset, mut taken) = (Vec::new(), 0, 0, 0);
    in_order(
        cut(source),
        || presser(earlier),
        |pressed: io::Result<Pressed>| {
            let pressed = pressed?;
            whole.update(&pressed.plain);
            written.update(&pressed.packed);
            pack.write_all(&pressed.packed)?;
            let chunk = Chunk {
                sha256: pressed.sha256,
                length: length(&pressed.plain)?,
                offset,
                packed: length(&pressed.packed)?,
            };
            size += u64::from(chunk.length);
            offset += u64::from(chunk.packed);
            taken += usize::from(pressed.taken);
            chunks.push(chunk);
            Ok(())
        },
    )?;
    Ok(Packed {
        size,
        sha256: whole.finish(),
        pack_size: offset,
        pack_sha256: written.finish(),
        index: Index::new(chunks).made(earlier.way()),
        taken,
    })
}

/// What compresses the chunks of one thread, or finds them compressed; an error of reading goes the same way.
fn presser(earlier: &Earlier) -> impl FnMut(io::Result<Vec<u8>>) -> io::Result<Pressed> {
    let mut zstd = zstd::bulk::Compressor::new(earlier.way().level);
    move |plain| {
        let plain = plain?;
        let sha256 = Digest::of(&plain);
        if let Some(packed) = earlier.frame(&plain, &sha256) {
            return Ok(Pressed {
                sha256,
                plain,
                packed,
                taken: true,
            });
        }
        let zstd = zstd
            .as_mut()
            .map_err(|source| io::Error::new(source.kind(), source.to_string()))?;
        let packed = zstd.compress(&plain)?;
        Ok(Pressed {
            sha256,
            plain,
            packed,
            taken: false,
        })
    }
}

pub(super) fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::way::Way;

    fn none(level: i32) -> Earlier {
        Earlier::none(Way::of(level))
    }

    #[test]
    fn a_pack_is_its_chunks_in_order_and_always_the_same() {
        let file: Vec<u8> = (0..2_000_000_u32)
            .flat_map(|number| (number / 3).to_le_bytes())
            .collect();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let packed = pack(file.as_slice(), &mut first, &none(3)).unwrap();
        assert_eq!(
            pack(file.as_slice(), &mut second, &none(3)).unwrap(),
            packed
        );
        assert_eq!(first, second);
        assert_eq!(
            (packed.size, packed.sha256),
            (file.len() as u64, Digest::of(&file))
        );
        assert_eq!(
            (packed.pack_size, packed.pack_sha256),
            (first.len() as u64, Digest::of(&first))
        );
        let plain: Vec<u8> = packed
            .index
            .chunks()
            .iter()
            .flat_map(|chunk| {
                let end = chunk.offset as usize + chunk.packed as usize;
                zstd::bulk::decompress(&first[chunk.offset as usize..end], chunk.length as usize)
                    .unwrap()
            })
            .collect();
        assert!(plain == file);
    }

    #[test]
    fn an_error_of_reading_is_told() {
        struct Broken(u32);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 > 50 {
                    Err(io::Error::other("bad sector"))
                } else {
                    Ok(buffer.len().min(100_000))
                }
            }
        }
        assert_eq!(
            pack(Broken(0), &mut Vec::new(), &none(1))
                .unwrap_err()
                .to_string(),
            "bad sector"
        );
    }

    #[test]
    fn nothing_packs_to_nothing() {
        let packed = pack(io::empty(), &mut Vec::new(), &none(1)).unwrap();
        assert_eq!(
            (packed.size, packed.pack_size, packed.index.chunks().len()),
            (0, 0, 0)
        );
    }
}
