//! Chunks compressed with zstd, alone or against a part of an older file.

use std::io;

use zstd::zstd_safe::{CCtx, CParameter, DCtx};

use crate::payload::index::LONGEST_CHUNK;

/// The most plain bytes in one frame: 1 MiB. Larger frames save little, and a node holds one in memory.
pub const LONGEST_FRAME: u32 = 1024 * 1024;

/// The longest part of an older file that a frame is compressed against: 2 MiB, held in memory by a node.
pub const LONGEST_REFERENCE: u32 = 2 * 1024 * 1024;

/// The longest that a frame of so many plain bytes may be. A frame of random bytes is a little longer than the bytes.
pub(crate) fn longest(plain: u32) -> u32 {
    plain.max(LONGEST_CHUNK).saturating_mul(2)
}

/// Compresses `plain` against `reference`, which may be empty. Needs the same reference to be unpacked.
///
/// # Errors
/// Fails only for want of memory.
pub(crate) fn press(plain: &[u8], reference: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut zstd = CCtx::create();
    let window = usize::BITS - (plain.len() + reference.len()).leading_zeros();
    for parameter in [
        CParameter::CompressionLevel(level),
        // Matches must reach back to the beginning of the reference; 17 is what a frame of a usual chunk has.
        CParameter::WindowLog(window.max(17)),
        // The index knows the length.
        CParameter::ContentSizeFlag(false),
    ] {
        zstd.set_parameter(parameter).map_err(told)?;
    }
    zstd.ref_prefix(reference).map_err(told)?;
    let mut frame = Vec::with_capacity(zstd::zstd_safe::compress_bound(plain.len()));
    zstd.compress2(&mut frame, plain).map_err(told)?;
    Ok(frame)
}

/// Unpacks a frame into `plain`, which is the cap: zstd stops at its end, whatever the frame promises. The bytes found.
///
/// # Errors
/// zstd's message: the frame is damaged, or longer than `plain`.
pub(crate) fn unpack(frame: &[u8], reference: &[u8], plain: &mut [u8]) -> io::Result<usize> {
    let mut zstd = DCtx::create();
    zstd.ref_prefix(reference).map_err(told)?;
    zstd.decompress(plain, frame).map_err(told)
}

fn told(code: zstd::zstd_safe::ErrorCode) -> io::Error {
    io::Error::other(zstd::zstd_safe::get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_needs_its_reference_and_is_small_with_it() {
        let old: Vec<u8> = (0..200_000_u32)
            .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        let mut new = old[100_000..600_000].to_vec();
        new[250_000] ^= 1;
        let frame = press(&new, &old, 19).unwrap();
        assert!(frame.len() < 200, "{}", frame.len());
        let mut plain = vec![0; new.len()];
        assert_eq!(unpack(&frame, &old, &mut plain).unwrap(), new.len());
        assert!(plain == new);
        let refused = |frame: &[u8], old: &[u8], plain: &mut [u8]| {
            unpack(frame, old, plain).unwrap_err().to_string()
        };
        // Another reference is not found out here, but by the digest of the chunk: its bytes are wrong.
        assert_eq!(
            unpack(&frame, &old[..old.len() - 1], &mut plain).unwrap(),
            new.len()
        );
        assert!(plain != new);
        assert_eq!(refused(&frame, b"", &mut plain), "Data corruption detected");
        assert_eq!(
            refused(&frame, &old, &mut plain[1..]),
            "Destination buffer is too small"
        );
        assert_eq!(
            refused(&frame[1..], &old, &mut plain),
            "Unknown frame descriptor"
        );
    }

    #[test]
    fn without_a_reference_it_is_a_plain_frame() {
        let frame = press(b"hello hello hello", b"", 3).unwrap();
        assert_eq!(
            zstd::bulk::decompress(&frame, 17).unwrap(),
            b"hello hello hello"
        );
    }
}
