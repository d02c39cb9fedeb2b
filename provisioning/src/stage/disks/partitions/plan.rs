//! From the partitions that are there and those that are wanted to the new table (operator notes, "Partition Reuse Semantics").

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use acl_host::gpt::Partition;
use acl_host::guid::Guid;

use super::fate::{Change, Fate, fate};
use super::in_use::InUse;
use super::layout::Layout;
use super::place::put;
use super::wanted::{self, Wanted};
use crate::Result;
use crate::config::spec;

/// The new table of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whether the old table goes; without new partitions, the disk is left with no table.
    pub wiped: bool,
    /// All partitions afterwards, by number; those that the config does not name are as they were.
    pub partitions: Vec<Partition>,
    /// What becomes of those that it names, in the order of the work.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Whether anything has to be written.
    pub fn is_change(&self) -> bool {
        let still = |change: &Change| matches!(change.fate, Fate::Absent | Fate::Matched);
        self.wiped || !self.changes.iter().all(still)
    }
}

/// What is to be done about one wanted partition, before it has a place.
struct Step<'a> {
    wanted: Wanted<'a>,
    /// 0 until the next free number is known.
    number: u32,
    fate: Fate,
    start: Option<u64>,
    size: Option<u64>,
    old: Option<Partition>,
}

/// Decides what the table becomes. `layout` is what is on the disk, a blank one where `wipeTable` is set; `guids` are for
/// the partitions of the config, in its order, where they are made and it gives none.
///
/// # Errors
/// [`crate::Error::Partition`] for a partition that is not what is wanted and may not be changed, has no room, or is in use;
/// [`crate::Error::Disk`] for a disk that is in use as a whole.
pub fn plan(disk: &spec::Disk, layout: &Layout, in_use: &InUse, guids: &[Guid]) -> Result<Plan> {
    let wanted = wanted::read(disk, guids)?;
    let claimed: BTreeSet<u32> = wanted.iter().map(|wanted| wanted.number).collect();
    let existing = wanted
        .iter()
        .map(|wanted| Ok(wanted.find(layout, &claimed)?.cloned()))
        .collect::<Result<Vec<_>>>()?;
    let places = pretend(&wanted, &existing, layout);
    let mut steps = Vec::new();
    for ((wanted, old), place) in wanted.into_iter().zip(existing).zip(places) {
        steps.push(judge(wanted, old, place)?);
    }
    let (partitions, changes) = carry_out(&steps, layout)?;
    let plan = Plan {
        wiped: disk.wipe_table == Some(true),
        partitions: partitions.into_values().collect(),
        changes,
    };
    in_use.allows(&disk.device, &plan)?;
    Ok(plan)
}

/// Where the wanted partitions would lie if all of them were made anew: what a start or a size of 0 is compared with.
/// Ignition asks `sgdisk --pretend` for it.
fn pretend(
    wanted: &[Wanted<'_>],
    existing: &[Option<Partition>],
    layout: &Layout,
) -> Vec<Result<Range<u64>>> {
    let mut layout = layout.clone();
    for old in existing.iter().flatten() {
        layout.partitions.remove(&old.index);
    }
    let mut place = |(wanted, old): (&Wanted<'_>, &Option<Partition>)| {
        if !wanted.exists {
            return Ok(0..0);
        }
        let kept = old.as_ref().filter(|_| !wanted.wipe);
        let start = wanted.start.or(kept.map(|old| old.start));
        let size = wanted.size.or(kept.map(|old| old.length));
        let number = old.as_ref().map_or(wanted.number, |old| old.index);
        Ok(put(&mut layout, wanted, number, start, size)?.range())
    };
    wanted.iter().zip(existing).map(&mut place).collect()
}

/// Gives a wanted partition its fate, and its start and size where they are known by now.
fn judge<'a>(
    wanted: Wanted<'a>,
    old: Option<Partition>,
    place: Result<Range<u64>>,
) -> Result<Step<'a>> {
    let (mut start, mut size) = (wanted.start, wanted.size);
    // Without a number and not there, it gets its place last, from what is left then.
    let compared = wanted.number != 0 || old.is_some();
    if compared && (start == Some(0) || size == Some(0)) {
        let place = place?;
        start = start.map(|_| place.start);
        size = size.map(|_| place.end - place.start);
    }
    let fate = fate(&wanted, old.as_ref(), start, size)?;
    Ok(Step {
        number: old.as_ref().map_or(wanted.number, |old| old.index),
        start: match (fate, &old) {
            (Fate::Resized, Some(old)) => Some(old.start),
            _ => start,
        },
        size,
        wanted,
        fate,
        old,
    })
}

/// All deletions, then what is made, in order, on the table as it then is.
fn carry_out(
    steps: &[Step<'_>],
    layout: &Layout,
) -> Result<(BTreeMap<u32, Partition>, Vec<Change>)> {
    let mut layout = layout.clone();
    for step in steps {
        if matches!(step.fate, Fate::Deleted | Fate::Resized | Fate::Replaced) {
            layout.partitions.remove(&step.number);
        }
    }
    let mut changes = Vec::new();
    for step in steps {
        let mut number = step.number;
        if matches!(step.fate, Fate::Created | Fate::Resized | Fate::Replaced) {
            let made = put(&mut layout, &step.wanted, number, step.start, step.size)?;
            number = made.index;
            if let (Fate::Resized, Some(old)) = (step.fate, &step.old) {
                let resized = Partition {
                    length: made.length,
                    ..old.clone()
                };
                layout.partitions.insert(number, resized);
            }
        }
        changes.push(Change {
            number,
            fate: step.fate,
        });
    }
    Ok((layout.partitions, changes))
}
