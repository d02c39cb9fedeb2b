//! The footer of a fixed VHD; all fields big-endian.
//!
//! Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0.

const FOOTER_LEN: usize = 512;
const SECTOR: u64 = 512;
const CHECKSUM: usize = 64;

/// The footer of a disk of `size` bytes (a whole number of sectors).
///
/// The creation time is the first moment that the format can tell, 2000-01-01.
pub(super) fn footer(size: u64, identity: [u8; 16]) -> [u8; FOOTER_LEN] {
    let mut footer = [0; FOOTER_LEN];
    let mut put = |at: usize, bytes: &[u8]| footer[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"conectix");
    put(8, &2_u32.to_be_bytes()); // features: the reserved bit that is always set
    put(12, &0x0001_0000_u32.to_be_bytes()); // format version 1.0
    put(16, &u64::MAX.to_be_bytes()); // fixed disks have no further header
    // Readers know from "win " (Hyper-V) that the size counts and not the geometry, which is rounded down.
    put(28, b"win ");
    put(32, &0x000a_0000_u32.to_be_bytes());
    put(36, b"Wi2k");
    put(40, &size.to_be_bytes()); // original size
    put(48, &size.to_be_bytes()); // current size
    put(56, &geometry(size / SECTOR));
    put(60, &2_u32.to_be_bytes()); // fixed disk
    put(68, &identity);
    let sum = footer
        .iter()
        .fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    footer[CHECKSUM..CHECKSUM + 4].copy_from_slice(&(!sum).to_be_bytes());
    footer
}

/// Cylinders (two bytes), heads and sectors per track, by the algorithm of the specification's appendix.
fn geometry(sectors: u64) -> [u8; 4] {
    let sectors = sectors.min(65535 * 16 * 255);
    let (tracks, heads, per_track) = if sectors >= 65535 * 16 * 63 {
        (sectors / 255, 16, 255)
    } else {
        small_geometry(sectors)
    };
    let cylinders = u16::try_from(tracks / u64::from(heads))
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    [cylinders[0], cylinders[1], heads, per_track]
}

/// Tracks, heads and sectors per track of a disk under 31.5 GiB.
fn small_geometry(sectors: u64) -> (u64, u8, u8) {
    let tracks = sectors / 17;
    let heads = tracks.div_ceil(1024).max(4);
    match u8::try_from(heads) {
        Ok(heads @ ..=16) if tracks < u64::from(heads) * 1024 => (tracks, heads, 17),
        _ if sectors / 31 < 16 * 1024 => (sectors / 31, 16, 31),
        _ => (sectors / 63, 16, 63),
    }
}

#[cfg(test)]
mod tests {
    use super::{footer, geometry};

    #[test]
    fn geometries() {
        for (mib, cylinders, heads, per_track) in [
            (3, 90_u16, 4, 17),
            (100, 1003, 12, 17),
            (200, 825, 16, 31),
            (2048, 4161, 16, 63),
            (65536, 32896, 16, 255),
        ] {
            let [high, low] = cylinders.to_be_bytes();
            assert_eq!(
                geometry(mib * 2048),
                [high, low, heads, per_track],
                "{mib} MiB"
            );
        }
    }

    #[test]
    fn the_checksum_is_the_complement_of_the_sum_of_all_other_bytes() {
        let mut footer = footer(8 << 20, [7; 16]);
        let stored = u32::from_be_bytes([footer[64], footer[65], footer[66], footer[67]]);
        footer[64..68].fill(0);
        assert_eq!(
            stored,
            !footer.iter().map(|byte| u32::from(*byte)).sum::<u32>()
        );
    }
}
