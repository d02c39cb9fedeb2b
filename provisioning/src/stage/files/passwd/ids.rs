//! Which id a new user or group gets, as the shadow tools choose it.

use std::collections::BTreeSet;

use super::table::Table;
use super::tables::ID;
use crate::{Error, Result};

/// Ids from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Range {
    pub(super) fn contains(self, id: u32) -> bool {
        (self.from..=self.to).contains(&id)
    }
}

/// A free id: for people the one above the highest in use, for the system the one below the lowest; where those
/// are at the end, the first gap on the way back.
pub(super) fn free(
    table: &Table,
    range: Range,
    system: bool,
    kind: &'static str,
    name: &str,
) -> Result<u32> {
    let ids = table.records().filter_map(|record| record.number(ID));
    let used: BTreeSet<u32> = ids.filter(|id| range.contains(*id)).collect();
    let is_free = |id: &u32| !used.contains(id) && range.contains(*id);
    let next = match system {
        false => used
            .last()
            .map_or(Some(range.from), |last| last.checked_add(1))
            .filter(is_free)
            .or_else(|| (range.from..=range.to).find(is_free)),
        true => used
            .first()
            .map_or(Some(range.to), |first| first.checked_sub(1))
            .filter(is_free)
            .or_else(|| (range.from..=range.to).rev().find(is_free)),
    };
    next.ok_or_else(|| Error::NoFreeId {
        kind,
        name: name.to_owned(),
        from: range.from,
        to: range.to,
    })
}

#[cfg(test)]
mod tests {
    use super::{Range, free};
    use crate::stage::files::passwd::table::Table;

    #[test]
    fn ids_as_the_shadow_tools_choose_them() {
        let range = Range { from: 10, to: 14 };
        for (used, people, system) in [
            (&[][..], Some(10), Some(14)),
            (&[10][..], Some(11), Some(14)),
            (&[12][..], Some(13), Some(11)),
            (&[14][..], Some(10), Some(13)),
            (&[10, 14][..], Some(11), Some(13)),
            (&[9, 15, 4_294_967_295][..], Some(10), Some(14)),
            (&[10, 11, 12, 13, 14][..], None, None),
        ] {
            let lines = used.iter().map(|id: &u32| format!("u{id}:x:{id}:\n"));
            let table = Table::parse(&lines.collect::<String>());
            let chosen = |system| free(&table, range, system, "user", "core").ok();
            assert_eq!((chosen(false), chosen(true)), (people, system), "{used:?}");
        }
    }
}
