//! Where a partition is put. Places are sgdisk's, which Ignition leaves them to.

use std::ops::Range;

use acl_host::gpt::Partition;

use super::layout::{ALIGNMENT, Layout};
use super::wanted::{Wanted, mib};
use crate::Result;

/// Makes a partition in free room; 0 and `None` are the largest room there is.
pub(super) fn put(
    layout: &mut Layout,
    wanted: &Wanted<'_>,
    number: u32,
    start: Option<u64>,
    size: Option<u64>,
) -> Result<Partition> {
    let number = match number {
        0 => layout
            .free_number()
            .ok_or_else(|| wanted.error(0, "the partition table is full"))?,
        number if number > layout.capacity => {
            let reason = format!(
                "the partition table has {} entries; give a lower number",
                layout.capacity
            );
            return Err(wanted.error(number, &reason));
        }
        number => number,
    };
    let place = place(layout, start.unwrap_or_default(), size.unwrap_or_default());
    let place = place.map_err(|reason| wanted.error(number, &reason))?;
    let made = wanted.made(number, &place);
    layout.partitions.insert(number, made.clone());
    Ok(made)
}

fn place(layout: &Layout, start: u64, size: u64) -> Result<Range<u64>, String> {
    let largest = layout.largest();
    let start = match (start, &largest) {
        (0, None) => return Err("the disk has no free space".to_owned()),
        (0, Some(largest)) => largest.start.next_multiple_of(ALIGNMENT),
        (start, _) => start,
    };
    let end = match (size, &largest) {
        (0, Some(largest)) if (largest.start..largest.end).contains(&start) => largest.end,
        (0, _) => {
            let at = mib(start);
            return Err(format!(
                "it is to take the largest free space, and {at} does not lie in it; give it a size, or another start"
            ));
        }
        (size, _) => start.checked_add(size).ok_or("it ends beyond any disk")?,
    };
    let range = start..end;
    if let Some(other) = layout.in_the_way(&range) {
        let (at, to) = (mib(start), mib(end));
        return Err(format!(
            "{at} to {to} is not free: partition {} lies there",
            other.index
        ));
    }
    if start < layout.usable.start || end > layout.usable.end {
        let (at, to, last) = (mib(start), mib(end), mib(layout.usable.end));
        return Err(format!(
            "{at} to {to} is not on the disk, whose last usable byte is before {last}"
        ));
    }
    Ok(range)
}
