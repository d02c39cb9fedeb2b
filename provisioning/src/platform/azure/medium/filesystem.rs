//! Which file systems are on a disc, by its volume recognition sequence (ECMA-167 part 2; ISO 9660 section 8).

use std::io::{self, Read, Seek, SeekFrom};

/// Where the sequence begins, and how long each of its descriptors is.
const BEGIN: u64 = 16 * SECTOR as u64;
const SECTOR: usize = 2048;

/// How many descriptors are looked at; real discs have three to six.
const MOST: usize = 64;

/// The file systems by the kernel's names, the one to try first in front: of a disc with both ("bridge") UDF holds
/// the names as they were written.
///
/// # Errors
/// When the disc cannot be read; one that is too short has no file system.
pub(super) fn recognise(mut disc: impl Read + Seek) -> io::Result<Vec<&'static str>> {
    disc.seek(SeekFrom::Start(BEGIN))?;
    let (mut udf, mut iso9660) = (false, false);
    for _ in 0..MOST {
        let mut sector = [0; SECTOR];
        match disc.read_exact(&mut sector) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            read => read?,
        }
        match sector.get(1..6) {
            Some(b"CD001") => iso9660 = true,
            Some(b"NSR02" | b"NSR03") => udf = true,
            Some(b"BEA01" | b"BOOT2" | b"CDW02" | b"TEA01") => {}
            _ => break,
        }
    }
    let found = [("udf", udf), ("iso9660", iso9660)];
    Ok(found
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, SECTOR, recognise};
    use std::io::Cursor;

    fn disc(descriptors: &[&[u8; 5]]) -> Vec<u8> {
        let mut bytes = vec![0; BEGIN as usize];
        for name in descriptors {
            let mut sector = [0; SECTOR];
            sector[1..6].copy_from_slice(*name);
            bytes.extend(sector);
        }
        bytes.extend([0; SECTOR]);
        bytes
    }

    #[test]
    fn discs() {
        let iso: &[&str] = &["iso9660"];
        let cases: &[(&str, Vec<u8>, &[&str])] = &[
            ("UDF", disc(&[b"BEA01", b"NSR02", b"TEA01"]), &["udf"]),
            ("UDF 2", disc(&[b"BEA01", b"NSR03", b"TEA01"]), &["udf"]),
            ("ISO 9660", disc(&[b"CD001", b"CD001"]), iso),
            (
                "a bridge",
                disc(&[b"CD001", b"CD001", b"BEA01", b"NSR02", b"TEA01"]),
                &["udf", "iso9660"],
            ),
            (
                "behind the end",
                disc(&[b"CD001", b"\0\0\0\0\0", b"NSR02"]),
                iso,
            ),
            ("noise", disc(&[b"noise"]), &[]),
            ("zeros", vec![0; 1 << 20], &[]),
            (
                "cut",
                disc(&[b"CD001"])[..BEGIN as usize + 100].to_vec(),
                &[],
            ),
            ("shorter than its boot area", vec![1; 100], &[]),
            ("nothing", Vec::new(), &[]),
            ("endless", disc(&[b"CD001"; 500]), iso),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(recognise(Cursor::new(bytes)).unwrap(), *expected, "{name}");
        }
    }
}
