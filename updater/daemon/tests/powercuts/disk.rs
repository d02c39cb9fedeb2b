//! A block device: what was written since the last flush persists in any part and any order, sector by sector.

use std::collections::BTreeMap;

use super::{fate::Fate, journal::Deed};

const SECTOR: usize = 512;

/// The bytes of the disk after the cut. A sector is torn at any byte.
pub(crate) fn after_cut(mut bytes: Vec<u8>, deeds: &[&Deed], fate: &mut Fate) -> Vec<u8> {
    let flushed = deeds
        .iter()
        .rposition(|deed| matches!(deed, Deed::SyncFile { .. } | Deed::SyncAll) && !fate.lies);
    let flushed = flushed.map_or(0, |at| at + 1);
    for deed in &deeds[..flushed] {
        if let Deed::Write { at, bytes: new, .. } = deed {
            bytes[*at..at + new.len()].copy_from_slice(new);
        }
    }
    let mut now = bytes.clone();
    let mut sectors: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    for deed in &deeds[flushed..] {
        let Deed::Write { at, bytes: new, .. } = deed else {
            continue;
        };
        now[*at..at + new.len()].copy_from_slice(new);
        for sector in at / SECTOR..(at + new.len()).div_ceil(SECTOR) {
            let range = sector * SECTOR..(sector + 1) * SECTOR;
            let versions = sectors
                .entry(sector)
                .or_insert_with(|| vec![bytes[range.clone()].to_vec()]);
            versions.push(now[range].to_vec());
        }
    }
    for (sector, versions) in sectors {
        let found = fate.sector(&versions, 1);
        bytes[sector * SECTOR..(sector + 1) * SECTOR].copy_from_slice(&found);
    }
    bytes
}
