//! What lies where on a disk.

use std::collections::BTreeMap;
use std::ops::Range;

use acl_host::gpt::{self, Partition, Table};

use crate::{Error, Result};

/// What partitions begin at a multiple of: 1 MiB, with sectors of 512 and of 4096 bytes.
pub const ALIGNMENT: u64 = 1 << 20;

/// The partitions of a disk and the room between them. All places are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where partitions may lie.
    pub usable: Range<u64>,
    /// Bytes in a sector.
    pub sector: u64,
    /// How many partitions the table can hold.
    pub capacity: u32,
    /// The partitions, by number.
    pub partitions: BTreeMap<u32, Partition>,
}

impl Layout {
    /// That of a table on a disk of `size` bytes.
    pub fn of(table: &Table, size: u64) -> Self {
        let partitions = table.partitions().into_iter();
        Self {
            usable: table.usable(size),
            sector: table.sector(),
            capacity: table.capacity(),
            partitions: partitions
                .map(|partition| (partition.index, partition))
                .collect(),
        }
    }

    /// That of a new table on a disk of `size` bytes.
    ///
    /// # Errors
    /// [`Error::Disk`] for a disk that is too small.
    pub fn blank(name: &str, size: u64, sector: u64) -> Result<Self> {
        let usable = gpt::usable_of_blank(size, sector).ok_or_else(|| Error::Disk {
            name: name.to_owned(),
            reason: format!("its {size} bytes are too few for a partition table"),
        })?;
        Ok(Self {
            usable,
            sector,
            capacity: gpt::ENTRIES,
            partitions: BTreeMap::new(),
        })
    }

    /// The lowest number that no partition has.
    pub(super) fn free_number(&self) -> Option<u32> {
        (1..=self.capacity).find(|number| !self.partitions.contains_key(number))
    }

    /// The room that is free, in order.
    pub(super) fn free(&self) -> Vec<Range<u64>> {
        let mut taken: Vec<Range<u64>> = self.partitions.values().map(Partition::range).collect();
        taken.sort_by_key(|range| range.start);
        taken.push(self.usable.end..self.usable.end);
        let mut from = self.usable.start;
        let mut free = Vec::new();
        for range in taken {
            if from < range.start {
                free.push(from..range.start.min(self.usable.end));
            }
            from = from.max(range.end);
        }
        free
    }

    /// The largest free room, the first of equals.
    pub(super) fn largest(&self) -> Option<Range<u64>> {
        let length = |range: &Range<u64>| range.end - range.start;
        self.free().into_iter().reduce(|best, next| {
            if length(&next) > length(&best) {
                next
            } else {
                best
            }
        })
    }

    /// The partition that has bytes in `range`.
    pub(super) fn in_the_way(&self, range: &Range<u64>) -> Option<&Partition> {
        self.partitions
            .values()
            .find(|other| other.start < range.end && range.start < other.start + other.length)
    }
}
