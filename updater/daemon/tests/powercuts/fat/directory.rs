//! A FAT directory: what the disk has for certain, and what it may have.

use std::collections::BTreeSet;

use super::slots::{self, Entry, GIVEN_UP, SLOT, Slot};
use crate::powercuts::fate::Fate;

const SECTOR: usize = 512;
/// Larger than what any test puts into a directory.
const SECTORS: usize = 8;

/// For each sector its versions: first the one on the disk; any of the others may have been written, the last is the
/// one in memory.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    sectors: Vec<Vec<Vec<u8>>>,
}

/// A change of one slot.
pub(super) type Edit = (usize, Slot);

impl Directory {
    pub(super) fn new() -> Self {
        Self {
            sectors: vec![vec![vec![0; SECTOR]]; SECTORS],
        }
    }

    /// Begins with so many slots that belong to others.
    pub(super) fn occupy(&mut self, slots: usize) {
        for number in 0..slots {
            let short = *format!("OTHER{number:03}BIN")
                .as_bytes()
                .first_chunk()
                .unwrap();
            let mut slot = slots::encode("", short, 0, 0, false).pop().unwrap();
            slot[11] = 0x20;
            self.change(&[(number, slot)]);
        }
        self.sync();
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let last = self.sectors.iter().filter_map(|versions| versions.last());
        last.flatten().copied().collect()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        slots::parse(&self.bytes())
    }

    pub(super) fn entry(&self, name: &str) -> Option<Entry> {
        self.entries().into_iter().find(|entry| entry.name == name)
    }

    pub(super) fn slot(&self, number: usize) -> Slot {
        let bytes = self.bytes();
        bytes[number * SLOT..(number + 1) * SLOT]
            .try_into()
            .unwrap()
    }

    /// Changes slots in memory: each sector that has one of them gets one more version.
    pub(super) fn change(&mut self, edits: &[Edit]) {
        let per_sector = SECTOR / SLOT;
        let sectors: BTreeSet<usize> = edits.iter().map(|(slot, _)| slot / per_sector).collect();
        for sector in sectors {
            let versions = &mut self.sectors[sector];
            let mut bytes = versions.last().unwrap().clone();
            for (slot, new) in edits.iter().filter(|(slot, _)| slot / per_sector == sector) {
                let at = slot % per_sector * SLOT;
                bytes[at..at + SLOT].copy_from_slice(new);
            }
            versions.push(bytes);
        }
    }

    /// What adds an entry: into the first run of slots that is long enough, leaving out what `given_up` frees.
    pub(super) fn addition(&self, name: &str, start: u32, size: u32, directory: bool) -> Vec<Edit> {
        let bytes = self.bytes();
        let taken = bytes
            .chunks(SLOT)
            .filter(|slot| is_used(slot))
            .map(slots::short_of)
            .collect();
        let new = slots::encode(name, slots::short(name, &taken), start, size, directory);
        let used: Vec<bool> = bytes.chunks(SLOT).map(is_used).collect();
        let first = used
            .windows(new.len())
            .position(|run| run.iter().all(|used| !used))
            .expect("the directory is full");
        (first..).zip(new).collect()
    }

    /// What gives an entry up.
    pub(super) fn removal(&self, entry: &Entry) -> Vec<Edit> {
        let given_up = |number| {
            let mut slot = self.slot(number);
            slot[0] = GIVEN_UP;
            (number, slot)
        };
        entry.slots.clone().map(given_up).collect()
    }

    /// Everything is on the disk.
    pub(super) fn sync(&mut self) {
        for sector in 0..self.sectors.len() {
            self.sync_sector(sector);
        }
    }

    /// The sector with this slot is on the disk.
    pub(super) fn sync_slot(&mut self, slot: usize) {
        self.sync_sector(slot * SLOT / SECTOR);
    }

    fn sync_sector(&mut self, sector: usize) {
        let versions = &mut self.sectors[sector];
        versions.drain(..versions.len() - 1);
    }

    /// What a reader finds after the cut. A sector is torn between slots.
    pub(super) fn after_cut(&self, fate: &mut Fate) -> Vec<Entry> {
        let sectors = self.sectors.iter();
        let found: Vec<u8> = sectors.flat_map(|v| fate.sector(v, SLOT)).collect();
        slots::parse(&found)
    }
}

fn is_used(slot: &[u8]) -> bool {
    ![0, GIVEN_UP].contains(&slot[0])
}
