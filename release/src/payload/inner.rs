//! Files that hold zstd frames, as a kernel image holds its initrd: unpacked for the way, and pressed again at its end.
//!
//! A frame is unpacked only when pressing gives the same bytes again; the publisher has tried. A node whose zstd
//! presses otherwise finds another digest, and fetches the file whole, as it is.

use std::io::{self, Read, Write};

use zstd::stream::{read::Decoder, write::Encoder};

use crate::manifest::Inner;

/// The levels that are tried. Pressing at a higher one takes a node more than 20 MB of memory.
const LEVELS: [i32; 4] = [7, 6, 5, 3];

/// Smaller frames are not worth the trouble.
const SMALLEST: usize = 64 * 1024;

/// How a frame begins (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// The frames of a file that can be unpacked and pressed again.
///
/// # Errors
/// Fails only for want of memory.
pub fn find(file: &[u8]) -> io::Result<Vec<Inner>> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(rest) = file.get(offset..).filter(|rest| rest.len() >= SMALLEST) {
        match inner(rest, offset as u64)? {
            Some(inner) => {
                offset += inner.packed as usize;
                found.push(inner);
            }
            None => offset += next_magic(rest),
        }
    }
    Ok(found)
}

/// How far it is to the next place where a frame may begin.
fn next_magic(rest: &[u8]) -> usize {
    let windows = rest.windows(MAGIC.len()).skip(1);
    let next = windows.take_while(|window| *window != MAGIC).count();
    next + 1
}

/// The frame with which `rest` begins, which lies at `offset` of the file.
fn inner(rest: &[u8], offset: u64) -> io::Result<Option<Inner>> {
    let Some(length) = frame_length(rest) else {
        return Ok(None);
    };
    let frame = &rest[..length];
    let Ok(plain) = zstd::stream::decode_all(frame) else {
        return Ok(None);
    };
    for level in LEVELS {
        let mut again = Vec::with_capacity(length);
        press_frame(&mut plain.as_slice(), &mut again, level)?;
        if again == frame {
            return Ok(Some(Inner {
                offset,
                packed: length as u64,
                plain: plain.len() as u64,
                level,
            }));
        }
    }
    Ok(None)
}

fn frame_length(rest: &[u8]) -> Option<usize> {
    let begins = rest.starts_with(&MAGIC);
    let length = begins.then(|| zstd::zstd_safe::find_frame_compressed_size(rest).ok())??;
    (length >= SMALLEST).then_some(length)
}

/// Copies `file` to `out` with its frames unpacked.
///
/// # Errors
/// Those of reading and writing; a file that ends early, or a frame that is none or not as long as it should be.
pub fn unpack(file: &mut dyn Read, inner: &[Inner], out: &mut dyn Write) -> io::Result<()> {
    let mut offset = 0;
    for frame in inner {
        copy(file, out, before(frame, offset)?)?;
        let mut packed = file.take(frame.packed);
        let mut plain = Decoder::new(&mut packed)?.take(frame.plain.saturating_add(1));
        exactly(io::copy(&mut plain, out)?, frame.plain)?;
        exactly(packed.limit(), 0)?;
        offset = frame.offset.saturating_add(frame.packed);
    }
    io::copy(file, out).map(|_| ())
}

/// Copies what [`unpack`] made to `out` with its frames pressed again.
///
/// # Errors
/// Those of reading and writing; a file that ends early. That the frames are those that were there is for the caller to
/// check, by the digest.
pub fn press(plain: &mut dyn Read, inner: &[Inner], out: &mut dyn Write) -> io::Result<()> {
    let mut offset = 0;
    for frame in inner {
        copy(plain, out, before(frame, offset)?)?;
        press_frame(&mut plain.take(frame.plain), out, frame.level)?;
        offset = frame.offset.saturating_add(frame.packed);
    }
    io::copy(plain, out).map(|_| ())
}

/// As the image builder presses an initrd.
fn press_frame(plain: &mut dyn Read, out: &mut dyn Write, level: i32) -> io::Result<()> {
    let mut encoder = Encoder::new(out, level)?;
    io::copy(plain, &mut encoder)?;
    encoder.finish().map(|_| ())
}

fn before(frame: &Inner, offset: u64) -> io::Result<u64> {
    let before = frame.offset.checked_sub(offset);
    before.ok_or_else(|| io::Error::other("its frames are not in order"))
}

fn copy(from: &mut dyn Read, to: &mut dyn Write, length: u64) -> io::Result<()> {
    exactly(io::copy(&mut from.take(length), to)?, length)
}

fn exactly(found: u64, expected: u64) -> io::Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{found} bytes were found where {expected} should be"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::noise::noise;

    fn frame(plain: &[u8], level: i32) -> Vec<u8> {
        let mut frame = Vec::new();
        press_frame(&mut &*plain, &mut frame, level).unwrap();
        frame
    }

    /// Half noise, so that frames are long enough.
    fn plain(seed: u64) -> Vec<u8> {
        let mut plain = noise(seed, 400_000);
        plain.iter_mut().step_by(2).for_each(|byte| *byte = 7);
        plain
    }

    #[test]
    fn frames_are_found_unpacked_and_pressed_again() {
        let (one, two) = (plain(1), plain(2));
        let foreign = zstd::bulk::compress(&plain(3), 19).unwrap();
        let short = frame(b"short", 7);
        let parts = [
            b"head".to_vec(),
            frame(&one, 7),
            MAGIC.to_vec(),
            foreign,
            frame(&two, 3),
            short,
            vec![0; SMALLEST],
        ];
        let file = parts.concat();
        let inner = find(&file).unwrap();
        let levels: Vec<i32> = inner.iter().map(|inner| inner.level).collect();
        assert_eq!(levels, [7, 3]);
        assert_eq!(inner[0].offset, 4);
        let mut unpacked = Vec::new();
        unpack(&mut file.as_slice(), &inner, &mut unpacked).unwrap();
        assert_eq!(unpacked.len() - file.len(), {
            let grown: u64 = inner.iter().map(|inner| inner.plain - inner.packed).sum();
            grown as usize
        });
        assert!(unpacked[4..].starts_with(&one));
        let mut pressed = Vec::new();
        press(&mut unpacked.as_slice(), &inner, &mut pressed).unwrap();
        assert!(pressed == file);
    }

    #[test]
    fn a_file_without_frames_stays_as_it_is() {
        let file = plain(4);
        assert_eq!(find(&file).unwrap(), []);
        let (mut unpacked, mut pressed) = (Vec::new(), Vec::new());
        unpack(&mut file.as_slice(), &[], &mut unpacked).unwrap();
        press(&mut unpacked.as_slice(), &[], &mut pressed).unwrap();
        assert!(pressed == file);
    }

    #[test]
    fn another_file_than_described_is_told() {
        let file = [b"head".to_vec(), frame(&plain(1), 7)].concat();
        let good = find(&file).unwrap()[0];
        let told = |inner: Inner| {
            let mut out = Vec::new();
            unpack(&mut file.as_slice(), &[inner], &mut out)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            told(Inner { plain: 9, ..good }),
            "10 bytes were found where 9 should be"
        );
        assert_eq!(
            told(Inner {
                offset: 1 << 40,
                ..good
            }),
            format!(
                "{} bytes were found where {} should be",
                file.len(),
                1_u64 << 40
            )
        );
        let twice = [good, good];
        let mut out = Vec::new();
        let refused = unpack(&mut file.as_slice(), &twice, &mut out).unwrap_err();
        assert_eq!(refused.to_string(), "its frames are not in order");
    }
}
