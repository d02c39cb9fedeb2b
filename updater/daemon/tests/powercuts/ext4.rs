//! ROOT: ext4 with `data=ordered`.
//!
//! Names and sizes change in the order in which they were changed, up to some moment since the last `fsync`, which
//! commits all of them. Data that was not flushed is there or not, page by page; a new file may be empty.

use std::collections::BTreeSet;

use super::{
    fate::Fate,
    journal::{Deed, Ino},
    volume::Volume,
};

const PAGE: usize = 4096;

/// Lets happen to `volume` what persisted of `deeds`.
pub(crate) fn after_cut(volume: &mut Volume, deeds: &[&Deed], fate: &mut Fate) {
    let synced = deeds
        .iter()
        .rposition(|deed| is_sync(deed) && !fate.lies)
        .unwrap_or(0);
    let committed = match fate.keeps() {
        true => deeds.len(),
        false => synced + fate.random.below(deeds.len() + 1 - synced),
    };
    let mut lost = BTreeSet::new();
    for (number, deed) in deeds.iter().enumerate() {
        match deed {
            Deed::Write { ino, .. } if is_synced(&deeds[number..], *ino) && !fate.lies => {
                volume.apply(deed);
            }
            // What was cut off is still there, and what was written after it lies in no file.
            Deed::Write { ino, .. } if lost.contains(ino) => {}
            Deed::Write { ino, at, bytes } => write_some(volume, *ino, *at, bytes, fate),
            Deed::Resize { ino, .. } if number >= committed => {
                lost.insert(*ino);
            }
            _ if number < committed => volume.apply(deed),
            _ => {}
        }
    }
}

fn is_sync(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::SyncFile { .. } | Deed::SyncDir { .. } | Deed::SyncAll
    )
}

fn is_synced(rest: &[&Deed], ino: Ino) -> bool {
    rest.iter().any(|deed| match deed {
        Deed::SyncFile { ino: synced } => *synced == ino,
        Deed::SyncAll => true,
        _ => false,
    })
}

fn write_some(volume: &mut Volume, ino: Ino, at: usize, bytes: &[u8], fate: &mut Fate) {
    let mut from = 0;
    while from < bytes.len() {
        let to = bytes.len().min((at + from) / PAGE * PAGE + PAGE - at);
        if fate.keeps() {
            volume.overwrite(ino, at + from, &bytes[from..to]);
        }
        from = to;
    }
}
