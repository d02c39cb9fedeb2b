//! Ids for user namespaces: `/etc/subuid` and `/etc/subgid`, for containers without root.
//!
//! As useradd: only where the files are there, and only for people, the lowest range that is free.

use super::defaults::Defaults;
use super::table::{Record, Table};
use super::tables::Tables;
use crate::{Error, Result};

/// Ranges for one kind of id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subordinate {
    pub(super) from: u32,
    pub(super) to: u32,
    /// How many ids a user gets; 0 for none.
    pub(super) count: u32,
}

/// Gives a new user a range in each file that is there.
pub(super) fn give(name: &str, tables: &mut Tables, defaults: &Defaults) -> Result<()> {
    let files = [
        (&mut tables.subuid, defaults.subordinate_users),
        (&mut tables.subgid, defaults.subordinate_groups),
    ];
    for (table, ids) in files {
        let Some(table) = table.as_mut().filter(|_| ids.count > 0) else {
            continue;
        };
        if table.find(name).is_some() {
            continue;
        }
        let first = free(table, ids).ok_or_else(|| Error::NoFreeId {
            kind: "subordinate",
            name: name.to_owned(),
            from: ids.from,
            to: ids.to,
        })?;
        let (first, count) = (first.to_string(), ids.count.to_string());
        table.put(&Record::new([name, &first, &count]));
    }
    Ok(())
}

/// Takes a user's ranges away.
pub(super) fn take(name: &str, tables: &mut Tables) {
    for table in [&mut tables.subuid, &mut tables.subgid]
        .into_iter()
        .flatten()
    {
        table.remove(name);
    }
}

/// The first id of the lowest free range.
fn free(table: &Table, ids: Subordinate) -> Option<u32> {
    let range = |record: Record| {
        let first = record.number(1)?;
        Some((first, first.saturating_add(record.number(2)?)))
    };
    let mut taken: Vec<(u32, u32)> = table.records().filter_map(range).collect();
    taken.sort_unstable();
    let mut first = ids.from;
    for (from, end) in taken {
        if first.checked_add(ids.count)? <= from {
            break;
        }
        first = first.max(end);
    }
    let last = first.checked_add(ids.count)?.checked_sub(1)?;
    (last <= ids.to).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::{Subordinate, free};
    use crate::stage::files::passwd::table::Table;

    #[test]
    fn the_lowest_free_range() {
        let ids = Subordinate {
            from: 100,
            to: 139,
            count: 10,
        };
        for (lines, expected) in [
            ("", Some(100)),
            ("a:100:10\n", Some(110)),
            ("a:110:10\n", Some(100)),
            ("a:105:10\n", Some(115)),
            ("b:120:10\na:100:15\n", Some(130)),
            ("a:0:4000000000\n", None),
            ("a:100:31\n", None),
            ("a:4000000000:4000000000\nbroken\na:x:y\n", Some(100)),
        ] {
            assert_eq!(free(&Table::parse(lines), ids), expected, "{lines}");
        }
    }
}
