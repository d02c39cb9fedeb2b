//! What becomes of one partition (the matrix of the operator notes, "Partition Reuse Semantics").

use std::fmt;

use acl_host::gpt::Partition;

use super::wanted::{Wanted, mib};
use crate::Result;

/// What becomes of a partition that the config names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It shall not be there, and is not.
    Absent,
    /// It is what is wanted.
    Matched,
    /// It was not there.
    Created,
    /// It is longer or shorter now, and otherwise the same.
    Resized,
    /// It was another one, which the config allows to delete.
    Replaced,
    /// It is gone.
    Deleted,
}

/// A partition that the config names, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub number: u32,
    /// What becomes of it.
    pub fate: Fate,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fate {
            Fate::Absent => "is not there",
            Fate::Matched => "matches",
            Fate::Created => "created",
            Fate::Resized => "resized",
            Fate::Replaced => "replaced",
            Fate::Deleted => "deleted",
        };
        write!(f, "partition {} {what}", self.number)
    }
}

/// What becomes of a wanted partition, where `old` is there; `start` and `size` are what is wanted, with the largest room
/// measured.
pub(super) fn fate(
    wanted: &Wanted<'_>,
    old: Option<&Partition>,
    start: Option<u64>,
    size: Option<u64>,
) -> Result<Fate> {
    let Some(old) = old else {
        return Ok(if wanted.exists {
            Fate::Created
        } else {
            Fate::Absent
        });
    };
    if !wanted.exists {
        let reason = "it is there and should not be; allow it to be deleted by wipePartitionEntry";
        return if wanted.wipe {
            Ok(Fate::Deleted)
        } else {
            Err(wanted.error(old.index, reason))
        };
    }
    let mut differences = wanted.differences(old, start);
    let resized = size.filter(|size| *size != old.length);
    match resized {
        None if differences.is_empty() => return Ok(Fate::Matched),
        _ if wanted.wipe => return Ok(Fate::Replaced),
        Some(_) if wanted.resize && differences.is_empty() => return Ok(Fate::Resized),
        Some(size) => {
            let there = mib(old.length);
            differences.push(format!(
                "its size is {there}, and the config asks for {}",
                mib(size)
            ));
        }
        None => {}
    }
    let reason = format!(
        "it is not what the config asks for: {}; allow it to be replaced by wipePartitionEntry",
        differences.join("; ")
    );
    Err(wanted.error(old.index, &reason))
}
