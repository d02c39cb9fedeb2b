//! Kernel images small enough to be made in a moment: PE32+ with the sections and the table that matter.

/// A section's name, padded with NUL bytes, and its content.
pub(crate) type Section<'a> = (&'a [u8; 8], &'a [u8]);

const ALIGNMENT: usize = 512;
const HEADERS: usize = 1024;
const OPTIONAL_HEADER: usize = 88;

/// What takes the place of an Authenticode signature: PKCS#7 `signedData` (RFC 2315), and nothing in it.
const SIGNED_DATA: [u8; 13] = [
    0x30, 11, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02,
];

/// The smallest image with these sections (Microsoft's PE format: DOS header, COFF header, optional header, section
/// table) and a certificate table.
pub(crate) fn signed(sections: &[Section<'_>]) -> Vec<u8> {
    let mut image = unsigned(sections);
    let length = 8 + SIGNED_DATA.len();
    let table = [
        length.to_le_bytes()[..4].to_vec(),
        vec![0, 2, 2, 0],
        SIGNED_DATA.to_vec(),
    ];
    let at = image.len();
    put(&mut image, OPTIONAL_HEADER + 112 + 4 * 8, &u32(at));
    put(&mut image, OPTIONAL_HEADER + 112 + 4 * 8 + 4, &u32(length));
    image.extend(table.concat());
    image
}

/// The same without a certificate table.
pub(crate) fn unsigned(sections: &[Section<'_>]) -> Vec<u8> {
    let mut image = vec![0; HEADERS];
    put(&mut image, 0, b"MZ");
    put(&mut image, 60, &u32(64));
    put(&mut image, 64, b"PE\0\0");
    put(&mut image, 68, &u16(0x8664));
    put(&mut image, 70, &u16(sections.len()));
    put(&mut image, 84, &u16(240));
    put(&mut image, OPTIONAL_HEADER, &u16(0x20b));
    put(&mut image, OPTIONAL_HEADER + 32, &u32(4096));
    put(&mut image, OPTIONAL_HEADER + 36, &u32(ALIGNMENT));
    put(&mut image, OPTIONAL_HEADER + 60, &u32(HEADERS));
    put(&mut image, OPTIONAL_HEADER + 108, &u32(16));
    for (number, section) in sections.iter().enumerate() {
        append(&mut image, number, section);
    }
    image
}

fn append(image: &mut Vec<u8>, number: usize, (name, data): &Section<'_>) {
    let header = OPTIONAL_HEADER + 240 + 40 * number;
    let padded = data.len().next_multiple_of(ALIGNMENT);
    let at = image.len();
    put(image, header, *name);
    put(image, header + 8, &u32(data.len()));
    put(image, header + 12, &u32(4096 * (number + 1)));
    put(image, header + 16, &u32(padded));
    put(image, header + 20, &u32(at));
    image.extend_from_slice(data);
    image.resize(at + padded, 0);
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

fn u16(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap().to_le_bytes()
}

fn u32(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap().to_le_bytes()
}
