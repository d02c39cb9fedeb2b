//! The slots of a FAT directory, 32 bytes each: a name's long parts in reverse, then its short entry.
//!
//! As in Microsoft's FAT specification of 2000 ("fatgen103"), read as EDK2's FatPkg reads them.

use std::collections::BTreeSet;

pub(super) const SLOT: usize = 32;
/// The first byte of a slot that was given up.
pub(super) const GIVEN_UP: u8 = 0xe5;

const LONG: u8 = 0x0f;
const DIRECTORY: u8 = 0x10;
const FILE: u8 = 0x20;
/// Where a slot of a long name has its 13 letters.
const LETTERS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

pub(super) type Slot = [u8; SLOT];

/// What a directory has under one name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) directory: bool,
    /// Stands for the first cluster; 0 for none.
    pub(super) start: u32,
    pub(super) size: u32,
    /// The slots of its name, the short entry last.
    pub(super) slots: std::ops::RangeInclusive<usize>,
}

/// The slots for a name.
pub(super) fn encode(
    name: &str,
    short: [u8; 11],
    start: u32,
    size: u32,
    directory: bool,
) -> Vec<Slot> {
    let mut letters: Vec<u16> = name.encode_utf16().collect();
    if !letters.len().is_multiple_of(13) {
        letters.push(0);
    }
    letters.resize(letters.len().next_multiple_of(13), 0xffff);
    let parts = letters.len() / 13;
    let mut slots: Vec<Slot> = (1..)
        .zip(letters.chunks(13))
        .map(|(number, letters)| long(number, number as usize == parts, letters, checksum(&short)))
        .collect();
    slots.reverse();
    let mut entry = [0; SLOT];
    entry[..11].copy_from_slice(&short);
    entry[11] = if directory { DIRECTORY } else { FILE };
    locate(&mut entry, start, size);
    slots.push(entry);
    slots
}

fn long(number: u8, last: bool, letters: &[u16], checksum: u8) -> Slot {
    let mut slot = [0; SLOT];
    slot[0] = number | if last { 0x40 } else { 0 };
    slot[11] = LONG;
    slot[13] = checksum;
    for (at, letter) in LETTERS.iter().zip(letters) {
        slot[*at..at + 2].copy_from_slice(&letter.to_le_bytes());
    }
    slot
}

/// Says in a short entry where its bytes are.
pub(super) fn locate(entry: &mut Slot, start: u32, size: u32) {
    entry[20..22].copy_from_slice(&start.to_le_bytes()[2..]);
    entry[26..28].copy_from_slice(&start.to_le_bytes()[..2]);
    entry[28..32].copy_from_slice(&size.to_le_bytes());
}

/// The short name that a long one gets.
pub(super) fn short(name: &str, taken: &BTreeSet<[u8; 11]>) -> [u8; 11] {
    let name = name.trim_start_matches('.');
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let clean = |text: &str| -> Vec<u8> {
        let letter = |c: char| match c {
            c if c.is_ascii_alphanumeric() || "-_~".contains(c) => c.to_ascii_uppercase() as u8,
            _ => b'_',
        };
        text.chars().filter(|c| *c != '.').map(letter).collect()
    };
    let (base, extension) = (clean(base), clean(extension));
    (1..10)
        .map(|number: u8| {
            let mut short = [b' '; 11];
            let kept = base.len().min(6);
            short[..kept].copy_from_slice(&base[..kept]);
            short[kept..kept + 2].copy_from_slice(&[b'~', b'0' + number]);
            let kept = extension.len().min(3);
            short[8..8 + kept].copy_from_slice(&extension[..kept]);
            short
        })
        .find(|short| !taken.contains(short))
        .unwrap()
}

/// What a directory holds.
pub(super) fn parse(bytes: &[u8]) -> Vec<Entry> {
    let slots: Vec<&[u8]> = bytes.chunks(SLOT).collect();
    let mut entries = Vec::new();
    for (number, slot) in slots.iter().enumerate() {
        match (slot[0], slot[11]) {
            (0, _) => break,
            (GIVEN_UP, _) | (_, LONG) => {}
            _ => entries.push(entry(&slots, number)),
        }
    }
    entries
}

pub(super) fn short_of(slot: &[u8]) -> [u8; 11] {
    slot[..11].try_into().unwrap()
}

fn entry(slots: &[&[u8]], number: usize) -> Entry {
    let slot = slots[number];
    let u16 = |at: usize| u32::from(u16::from_le_bytes([slot[at], slot[at + 1]]));
    let (name, first) = match long_name(slots, number) {
        Some(name) => name,
        None => (short_name(slot), number),
    };
    Entry {
        name,
        directory: slot[11] & DIRECTORY != 0,
        start: u16(20) << 16 | u16(26),
        size: u32::from_le_bytes(slot[28..32].try_into().unwrap()),
        slots: first..=number,
    }
}

/// The long name before a short entry, and its first slot; none where a part of it is missing.
fn long_name(slots: &[&[u8]], number: usize) -> Option<(String, usize)> {
    let checksum = checksum(&short_of(slots[number]));
    let mut letters = Vec::new();
    for part in 1..=20_u8 {
        let at = number.checked_sub(usize::from(part))?;
        let slot = slots[at];
        if slot[11] != LONG || slot[13] != checksum || slot[0] & 0xbf != part {
            return None;
        }
        letters.extend(LETTERS.map(|at| u16::from_le_bytes([slot[at], slot[at + 1]])));
        if slot[0] & 0x40 != 0 {
            let end = letters.iter().position(|letter| *letter == 0);
            letters.truncate(end.unwrap_or(letters.len()));
            return Some((String::from_utf16_lossy(&letters), at));
        }
    }
    None
}

fn short_name(slot: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    match text(&slot[8..11]) {
        extension if extension.is_empty() => text(&slot[..8]),
        extension => format!("{}.{extension}", text(&slot[..8])),
    }
}

fn checksum(short: &[u8; 11]) -> u8 {
    short
        .iter()
        .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}
