//! One group of `passwd.groups`.

use crate::config::spec::Group;
use crate::{Error, Result};

use super::defaults::Defaults;
use super::table::Record;
use super::tables::{ID, PRIMARY, Tables};
use super::{check_name, given, id, ids};

/// No password opens a user with this one.
pub(super) const LOCKED: &str = "*";

/// No password at all: what groupadd and useradd give a new group.
pub(super) const NO_PASSWORD: &str = "!";

/// Changes the tables, and tells what was done.
pub(super) fn apply(
    group: &Group,
    tables: &mut Tables,
    defaults: &Defaults,
) -> Result<&'static str> {
    check_name("group", &group.name)?;
    let there = tables.group.find(&group.name);
    match (group.should_exist, there) {
        (Some(false), None) => Ok("is not there"),
        (Some(false), Some(there)) => remove(&there, tables).map(|()| "removed"),
        (_, Some(there)) => keep(group, there, tables),
        (_, None) => {
            let system = group.system == Some(true);
            let gid = match group.gid {
                Some(gid) => wanted(gid, &group.name, tables)?,
                None => next(&group.name, system, tables, defaults)?,
            };
            let password = given(group.password_hash.as_deref(), "passwordHash", &group.name)?;
            create(&group.name, gid, password.unwrap_or(NO_PASSWORD), tables);
            Ok("made")
        }
    }
}

/// Adds a group without members.
pub(super) fn create(name: &str, gid: u32, password: &str, tables: &mut Tables) {
    let gid = gid.to_string();
    tables.group.put(&Record::new([name, "x", &gid, ""]));
    tables.gshadow.put(&Record::new([name, password, "", ""]));
}

/// The next free id for a group.
pub(super) fn next(name: &str, system: bool, tables: &Tables, defaults: &Defaults) -> Result<u32> {
    let range = match system {
        true => defaults.system_groups,
        false => defaults.groups,
    };
    ids::free(&tables.group, range, system, "group", name)
}

fn wanted(gid: i64, name: &str, tables: &Tables) -> Result<u32> {
    let gid = id(gid, "group", name)?;
    match Tables::holder(&tables.group, gid) {
        None => Ok(gid),
        Some(taken) => Err(Error::IdTaken {
            kind: "group",
            name: name.to_owned(),
            id: gid,
            taken,
        }),
    }
}

/// A group that is there gets the id and the password that the config gives.
fn keep(group: &Group, there: Record, tables: &mut Tables) -> Result<&'static str> {
    let old = there.number(ID);
    let moved = match group.gid {
        Some(gid) if old.map(i64::from) != Some(gid) => {
            let gid = wanted(gid, &group.name, tables)?;
            renumber(there.clone(), old, gid, tables);
            true
        }
        _ => false,
    };
    if let Some(hash) = given(group.password_hash.as_deref(), "passwordHash", &group.name)? {
        let members = there.field(super::tables::MEMBERS);
        let mut secret = tables
            .gshadow
            .find(&group.name)
            .unwrap_or_else(|| Record::new([&group.name, "", "", members]));
        secret.set(1, hash);
        tables.gshadow.put(&secret);
    }
    Ok(match moved {
        true => "is there already, its id is changed",
        false => "is there already",
    })
}

/// As groupmod: users whose primary group it is follow it, and files keep the old id.
fn renumber(mut group: Record, old: Option<u32>, gid: u32, tables: &mut Tables) {
    group.set(ID, gid.to_string());
    tables.group.put(&group);
    let follows = |user: &Record| old.is_some() && user.number(PRIMARY) == old;
    let users: Vec<Record> = tables.passwd.records().filter(follows).collect();
    for mut user in users {
        user.set(PRIMARY, gid.to_string());
        tables.passwd.put(&user);
    }
    tables.note_moved();
}

fn remove(there: &Record, tables: &mut Tables) -> Result<()> {
    let gid = there.number(ID);
    let user = tables
        .passwd
        .records()
        .find(|user| gid.is_some() && user.number(PRIMARY) == gid);
    match user {
        Some(user) => Err(Error::GroupInUse {
            name: there.name().to_owned(),
            user: user.name().to_owned(),
        }),
        None => {
            tables.remove_group(there.name());
            Ok(())
        }
    }
}
