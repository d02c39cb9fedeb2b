//! The files together: users, groups, their secrets, and ids for their namespaces.

use crate::Result;
use crate::root::{Owner, Root};

use super::table::{Record, Table};
use super::{GROUP, PASSWD};

const SHADOW: &str = "/etc/shadow";
const GSHADOW: &str = "/etc/gshadow";
const SUBUID: &str = "/etc/subuid";
const SUBGID: &str = "/etc/subgid";

/// Fields of a line that hold ids and members.
pub(super) const ID: usize = 2;
pub(super) const PRIMARY: usize = 3;
pub(super) const MEMBERS: usize = 3;
pub(super) const HOME: usize = 5;

/// The files, changed in memory.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) passwd: Table,
    pub(super) shadow: Table,
    pub(super) group: Table,
    pub(super) gshadow: Table,
    /// Nothing where the file is not there: the root does not use it then.
    pub(super) subuid: Option<Table>,
    pub(super) subgid: Option<Table>,
    before: [Option<String>; 6],
    /// `/etc/passwd` and `/etc/group` after each change of a group's id, in order.
    moved: Vec<(String, String)>,
}

impl Tables {
    pub(super) fn read(root: &Root) -> Result<Self> {
        let before = [
            root.read_to_string(SUBUID)?,
            root.read_to_string(SUBGID)?,
            root.read_to_string(SHADOW)?,
            root.read_to_string(GSHADOW)?,
            root.read_to_string(GROUP)?,
            root.read_to_string(PASSWD)?,
        ];
        let [subuid, subgid, shadow, gshadow, group, passwd] =
            [0, 1, 2, 3, 4, 5].map(|index| before[index].as_deref().map(Table::parse));
        let or_empty = |table: Option<Table>| table.unwrap_or_else(|| Table::parse(""));
        Ok(Self {
            passwd: or_empty(passwd),
            shadow: or_empty(shadow),
            group: or_empty(group),
            gshadow: or_empty(gshadow),
            subuid,
            subgid,
            before,
            moved: Vec::new(),
        })
    }

    /// Replaces the files that changed. The order counts: a user is in `/etc/passwd` only when the rest is written, and
    /// one who is in `/etc/shadow` alone was being made.
    ///
    /// Where a group's id changes, its users have the new one before it does. Otherwise a run after a power cut would find
    /// the group as it shall be, and leave its users with the id that is nobody's. Each change is written by itself, so
    /// that an id that one group leaves and another takes is never that of both.
    pub(super) fn write(&self, root: &Root) -> Result<()> {
        let files = [
            (SUBUID, self.subuid.as_ref(), 0o644),
            (SUBGID, self.subgid.as_ref(), 0o644),
            (SHADOW, Some(&self.shadow), 0o640),
            (GSHADOW, Some(&self.gshadow), 0o640),
            (GROUP, Some(&self.group), 0o644),
            (PASSWD, Some(&self.passwd), 0o644),
        ];
        let mut there = self.before.clone().map(Option::unwrap_or_default);
        for (at, (path, table, mode)) in files.into_iter().enumerate() {
            if path == GROUP {
                self.write_moved(root, &mut there)?;
            }
            let text = table.map(Table::text).unwrap_or_default();
            if there[at] != text {
                self.write_file(root, path, &text, mode)?;
            }
        }
        Ok(())
    }

    /// Replaces `/etc/passwd`, then `/etc/group`, once for each group whose id changes; what is there then is `there`.
    fn write_moved(&self, root: &Root, there: &mut [String; 6]) -> Result<()> {
        let [.., there_group, there_passwd] = there;
        for (passwd, group) in &self.moved {
            for (path, text, there) in [
                (PASSWD, passwd, &mut *there_passwd),
                (GROUP, group, &mut *there_group),
            ] {
                if there != text {
                    self.write_file(root, path, text, 0o644)?;
                    there.clone_from(text);
                }
            }
        }
        Ok(())
    }

    /// Remembers that the id of a group changed just now.
    pub(super) fn note_moved(&mut self) {
        self.moved.push((self.passwd.text(), self.group.text()));
    }

    /// With the mode and owner that the file has; a new secret one is for root and the group shadow.
    fn write_file(&self, root: &Root, path: &str, text: &str, mode: u32) -> Result<()> {
        let place = root.place(path)?;
        let (mode, owner) = match place.node()? {
            Some(node) => (node.mode, Owner::of(node.uid, node.gid)),
            None if mode == 0o640 => {
                let gid = self.gid("shadow");
                (mode, Owner { uid: None, gid })
            }
            None => (mode, Owner::default()),
        };
        place.write(text.as_bytes(), mode, owner)
    }

    /// The id of a group by name; the name may be the id itself, as in the shadow tools.
    pub(super) fn group_id(&self, name: &str) -> Option<u32> {
        let by_id = || {
            let id: u32 = name.parse().ok()?;
            self.group
                .records()
                .find_map(|group| group.number(ID).filter(|gid| *gid == id))
        };
        self.gid(name).or_else(by_id)
    }

    fn gid(&self, name: &str) -> Option<u32> {
        self.group.find(name).and_then(|group| group.number(ID))
    }

    /// Who has an id, if anyone.
    pub(super) fn holder(table: &Table, id: u32) -> Option<String> {
        table
            .records()
            .find(|record| record.number(ID) == Some(id))
            .map(|record| record.name().to_owned())
    }

    /// Makes a user a member of groups; of no others where `only` is set.
    pub(super) fn join(&mut self, user: &str, groups: &[u32], only: bool) {
        let chosen: Vec<String> = self
            .group
            .records()
            .filter(|group| group.number(ID).is_some_and(|id| groups.contains(&id)))
            .map(|group| group.name().to_owned())
            .collect();
        for table in [&mut self.group, &mut self.gshadow] {
            let records: Vec<Record> = table.records().collect();
            for mut record in records {
                let mut members = record.names(MEMBERS);
                let is_chosen = chosen.iter().any(|name| name == record.name());
                let is_member = members.iter().any(|member| member == user);
                match (is_chosen, is_member) {
                    (true, false) => members.push(user.to_owned()),
                    (false, true) if only => members.retain(|member| member != user),
                    _ => continue,
                }
                record.set(MEMBERS, members.join(","));
                table.put(&record);
            }
        }
    }

    /// Takes a group out of both files.
    pub(super) fn remove_group(&mut self, name: &str) {
        self.group.remove(name);
        self.gshadow.remove(name);
    }
}
