//! One group of `passwd.groups`.

use crate::config::spec::Group;
use crate::{Error, Result};

use super::defaults::Defaults;
use super::table::Record;
use super::tables::{ID, PRIMARY, Tables};
use super::{check_name, given, id, ids};

/// No password opens a group or user with this one.
pub(super) const LOCKED: &str = "*";

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
        (_, Some(there)) => keep(group, &there, tables).map(|()| "is there already"),
        (_, None) => {
            let system = group.system == Some(true);
            let gid = match group.gid {
                Some(gid) => wanted(gid, &group.name, tables)?,
                None => next(&group.name, system, tables, defaults)?,
            };
            let password = given(group.password_hash.as_deref(), "passwordHash", &group.name)?;
            create(&group.name, gid, password.unwrap_or(LOCKED), tables);
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

fn keep(group: &Group, there: &Record, tables: &mut Tables) -> Result<()> {
    if let Some(gid) = group.gid {
        let wanted = id(gid, "group", &group.name)?;
        if there.number(ID) != Some(wanted) {
            return Err(Error::OtherId {
                name: group.name.clone(),
                found: there.field(ID).to_owned(),
                wanted,
            });
        }
    }
    if let Some(hash) = given(group.password_hash.as_deref(), "passwordHash", &group.name)? {
        let members = there.field(super::tables::MEMBERS);
        let mut secret = tables
            .gshadow
            .find(&group.name)
            .unwrap_or_else(|| Record::new([&group.name, "", "", members]));
        secret.set(1, hash);
        tables.gshadow.put(&secret);
    }
    Ok(())
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
