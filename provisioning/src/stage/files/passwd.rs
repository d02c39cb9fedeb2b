//! Users and groups of `passwd`, written into `/etc` of the root.
//!
//! Ignition calls `useradd`, `usermod`, `userdel`, `groupadd` and `groupdel` with `--root`. Here the tables are written
//! directly: the initrd has no shadow tools and the new root's would have to be run in a chroot, they leave locks and
//! backup files, and an interrupted `useradd` leaves a user half made. What they would have written is written (Debian's
//! shadow 4.13: `login.defs`, `default/useradd`, ids, private groups, skeleton), with these differences, all on purpose:
//!
//! - the day of the last password change is left out: the clock of an initrd is not to be trusted, and the day 0 would
//!   make everyone change the password at the first login;
//! - a group that exists is not an error, and gets the id that the config gives, as groupmod does it: a second run must
//!   come to the same end;
//! - the shell of a user whose config names none is bash where it is installed;
//! - home directories appear whole, and before the user does.
//!
//! All changes are made in memory first; homes are made next; then the files are replaced one by one, each
//! atomically, `/etc/passwd` last. So the files can be parsed at every moment, and a user who is in `/etc/passwd` is
//! complete. `noLogInit` asks for nothing: there is no lastlog or faillog to enter a user into.

mod defaults;
mod group;
mod home;
mod ids;
mod keys;
mod subordinate;
mod table;
mod tables;
mod user;

pub use keys::AUTHORIZED_KEYS;

use crate::config::spec::{Passwd, User};
use crate::root::Root;
use crate::stage::disks::Done;
use crate::{Error, Result};

use defaults::Defaults;
use table::Table;
use tables::Tables;

pub(super) const PASSWD: &str = "/etc/passwd";
pub(super) const GROUP: &str = "/etc/group";

/// `mounted` are the paths at which the config mounts filesystems.
pub(super) fn apply(passwd: &Passwd, mounted: &[&str], root: &Root) -> Result<Vec<Done>> {
    let groups = passwd.groups.as_deref().unwrap_or_default();
    let users = passwd.users.as_deref().unwrap_or_default();
    if groups.is_empty() && users.is_empty() {
        return Ok(Vec::new());
    }
    let defaults = Defaults::read(root)?;
    let mut tables = Tables::read(root)?;
    let mut done = Vec::new();
    for group in groups {
        let what = group::apply(group, &mut tables, &defaults)?;
        done.push(Done::new(format!("group {}", group.name), what));
    }
    let mut homes = Vec::new();
    for user in users {
        let what = told(user, &tables);
        done.push(Done::new(format!("user {}", user.name), what));
        homes.extend(user::apply(user, &mut tables, &defaults)?);
    }
    for home in homes {
        home.apply(root, &defaults)?;
    }
    for user in users.iter().filter(|user| exists(user)) {
        home::take_mounts(&user.name, mounted, &tables, root)?;
    }
    tables.write(root)?;
    for user in users.iter().filter(|user| exists(user)) {
        keys::write(user, &tables, root)?;
    }
    Ok(done)
}

/// The id that a name has in a table of the root, [`PASSWD`] or [`GROUP`].
pub(super) fn look_up(root: &Root, table: &str, name: &str) -> Result<Option<u32>> {
    let table = Table::parse(root.read_to_string(table)?.unwrap_or_default().as_str());
    Ok(table.find(name).and_then(|record| record.number(2)))
}

/// A user or group id as a config writes it. 4294967295 means "no change" to the kernel and is no id.
pub(super) fn id(id: i64, kind: &'static str, of: &str) -> Result<u32> {
    match u32::try_from(id) {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => Err(Error::IdRange {
            kind,
            id,
            of: of.to_owned(),
        }),
    }
}

/// What is done for a user, by the tables before it is.
fn told(user: &User, tables: &Tables) -> String {
    let there = tables.passwd.find(&user.name).is_some();
    let what = match (exists(user), there) {
        (true, false) => "made",
        (true, true) => "is there already",
        (false, true) => return "removed".to_owned(),
        (false, false) => return "is not there".to_owned(),
    };
    match user.ssh_authorized_keys.iter().flatten().count() {
        0 if !there && user.system != Some(true) && !has_password(user) => {
            format!("{what}, without SSH key and password: nobody can log in as it")
        }
        0 => what.to_owned(),
        1 => format!("{what}, 1 SSH key written"),
        count => format!("{what}, {count} SSH keys written"),
    }
}

fn has_password(user: &User) -> bool {
    let hash = user.password_hash.as_deref().unwrap_or_default();
    !hash.is_empty() && !hash.starts_with(['*', '!'])
}

fn exists(user: &User) -> bool {
    user.should_exist != Some(false)
}

/// The rule of Debian's shadow tools, which is as wide as the files allow.
fn check_name(kind: &'static str, name: &str) -> Result<()> {
    let forbidden = |c: char| matches!(c, ':' | ',' | '/') || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.starts_with(['-', '+', '~']) || name.contains(forbidden) {
        return Err(Error::AccountName {
            kind,
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// The text of a field, where it is given and not empty (an empty one means the default, as in Ignition).
fn given<'a>(text: Option<&'a str>, field: &'static str, name: &str) -> Result<Option<&'a str>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.contains(|c: char| c == ':' || c.is_control()) {
        return Err(Error::AccountField {
            field,
            name: name.to_owned(),
        });
    }
    Ok(Some(text))
}

/// As [`given`], for a path.
fn given_path<'a>(
    text: Option<&'a str>,
    field: &'static str,
    name: &str,
) -> Result<Option<&'a str>> {
    let text = given(text, field, name)?;
    match text {
        Some(text) if !text.starts_with('/') => Err(Error::AccountPath {
            field,
            name: name.to_owned(),
        }),
        text => Ok(text),
    }
}
