//! One user of `passwd.users`.

use crate::config::spec::User;
use crate::root::Owner;
use crate::{Error, Result};

use super::defaults::Defaults;
use super::group::{self, LOCKED, NO_PASSWORD};
use super::home::Home;
use super::subordinate;
use super::table::Record;
use super::tables::{HOME, ID, MEMBERS, PRIMARY, Tables};
use super::{check_name, given, given_path, id, ids};

/// Fields of a line of `/etc/passwd`.
const GECOS: usize = 4;
const SHELL: usize = 6;

/// Changes the tables, and tells what is to be done with the home directory before they are written.
pub(super) fn apply(user: &User, tables: &mut Tables, defaults: &Defaults) -> Result<Vec<Home>> {
    check_name("user", &user.name)?;
    let there = tables.passwd.find(&user.name);
    match (user.should_exist, there) {
        (Some(false), None) => Ok(Vec::new()),
        (Some(false), Some(there)) => Ok(remove(&there, tables)),
        (_, None) => create(user, &Wish::of(user, tables)?, tables, defaults),
        (_, Some(there)) => modify(there, &Wish::of(user, tables)?, tables),
    }
}

/// What the config says about a user, checked: what is not given is `None`.
struct Wish<'a> {
    name: &'a str,
    uid: Option<u32>,
    primary: Option<u32>,
    groups: Vec<u32>,
    password: Option<&'a str>,
    gecos: Option<&'a str>,
    home: Option<&'a str>,
    shell: Option<&'a str>,
}

impl<'a> Wish<'a> {
    fn of(user: &'a User, tables: &Tables) -> Result<Self> {
        let name = user.name.as_str();
        let group = |group: &str| {
            tables.group_id(group).ok_or_else(|| Error::FindGroup {
                user: name.to_owned(),
                group: group.to_owned(),
            })
        };
        let uid = user.uid.map(|uid| id(uid, "user", name)).transpose()?;
        if let Some(uid) = uid {
            free_for(name, uid, tables)?;
        }
        let primary = user
            .primary_group
            .as_deref()
            .filter(|text| !text.is_empty());
        let groups = user.groups.iter().flatten();
        // An empty hash locks the password too (Ignition); nothing given changes nothing.
        let hash = given(user.password_hash.as_deref(), "passwordHash", name)?;
        let password = user.password_hash.is_some().then(|| hash.unwrap_or(LOCKED));
        Ok(Self {
            name,
            uid,
            primary: primary.map(group).transpose()?,
            groups: groups.map(|name| group(name)).collect::<Result<_>>()?,
            password,
            gecos: given(user.gecos.as_deref(), "gecos", name)?,
            home: given_path(user.home_dir.as_deref(), "homeDir", name)?,
            shell: given_path(user.shell.as_deref(), "shell", name)?,
        })
    }
}

fn free_for(name: &str, uid: u32, tables: &Tables) -> Result<()> {
    match Tables::holder(&tables.passwd, uid) {
        Some(taken) if taken != name => Err(Error::IdTaken {
            kind: "user",
            name: name.to_owned(),
            id: uid,
            taken,
        }),
        _ => Ok(()),
    }
}

fn create(
    user: &User,
    wish: &Wish<'_>,
    tables: &mut Tables,
    defaults: &Defaults,
) -> Result<Vec<Home>> {
    let system = user.system == Some(true);
    let range = match system {
        true => defaults.system_users,
        false => defaults.users,
    };
    let uid = match wish.uid {
        Some(uid) => uid,
        None => ids::free(&tables.passwd, range, system, "user", wish.name)?,
    };
    let gid = match wish.primary {
        Some(gid) => gid,
        None if user.no_user_group == Some(true) => default_group(wish.name, tables, defaults)?,
        None => own_group(wish.name, uid, system, tables, defaults)?,
    };
    let home = match wish.home {
        Some(home) => home.to_owned(),
        None => format!("{}/{}", defaults.homes.trim_end_matches('/'), wish.name),
    };
    tables.passwd.put(&Record::new([
        wish.name,
        "x",
        &uid.to_string(),
        &gid.to_string(),
        wish.gecos.unwrap_or_default(),
        &home,
        wish.shell.unwrap_or(&defaults.shell),
    ]));
    let password = wish.password.unwrap_or(LOCKED);
    let [least, most, warn] = match system {
        // Accounts of the system do not age, as useradd has it.
        true => ["", "", ""],
        false => [0, 1, 2].map(|index: usize| defaults.ages[index].as_str()),
    };
    let secret = [wish.name, password, "", least, most, warn, "", "", ""];
    tables.shadow.put(&Record::new(secret));
    tables.join(wish.name, &wish.groups, false);
    if !system && defaults.users.contains(uid) {
        subordinate::give(wish.name, tables, defaults)?;
    }
    if user.no_create_home == Some(true) {
        return Ok(Vec::new());
    }
    let owner = Owner::of(uid, gid);
    Ok(vec![Home::Create { path: home, owner }])
}

/// The group of the user's own: with the user's id where it is free and in the range for groups.
fn own_group(
    name: &str,
    uid: u32,
    system: bool,
    tables: &mut Tables,
    defaults: &Defaults,
) -> Result<u32> {
    if let Some(there) = tables.group.find(name) {
        // A user who has a password but no account: this group was made for them by a run that was interrupted.
        return there
            .number(ID)
            .filter(|_| tables.shadow.find(name).is_some())
            .ok_or_else(|| Error::UserGroupExists {
                name: name.to_owned(),
            });
    }
    let range = match system {
        true => defaults.system_groups,
        false => defaults.groups,
    };
    let gid = match Tables::holder(&tables.group, uid) {
        None if range.contains(uid) => uid,
        _ => group::next(name, system, tables, defaults)?,
    };
    group::create(name, gid, NO_PASSWORD, tables);
    Ok(gid)
}

fn default_group(name: &str, tables: &Tables, defaults: &Defaults) -> Result<u32> {
    // A number need not be there, as with useradd.
    let group = &defaults.group;
    let gid = tables.group_id(group).or_else(|| group.parse().ok());
    gid.filter(|gid| *gid != u32::MAX)
        .ok_or_else(|| Error::FindGroup {
            user: name.to_owned(),
            group: group.clone(),
        })
}

fn modify(mut account: Record, wish: &Wish<'_>, tables: &mut Tables) -> Result<Vec<Home>> {
    let mut homes = Vec::new();
    let old = ids_of(&account);
    let fields = [(GECOS, wish.gecos), (SHELL, wish.shell)];
    for (field, text) in fields.into_iter().filter_map(|(f, t)| Some((f, t?))) {
        account.set(field, text);
    }
    for (field, id) in [(ID, wish.uid), (PRIMARY, wish.primary)] {
        if let Some(id) = id {
            account.set(field, id.to_string());
        }
    }
    if let Some(to) = wish.home.filter(|home| *home != account.field(HOME)) {
        homes.push(Home::Move {
            from: account.field(HOME).to_owned(),
            to: to.to_owned(),
        });
        account.set(HOME, to);
    }
    let new = ids_of(&account);
    if new != old {
        homes.push(Home::HandOver {
            path: account.field(HOME).to_owned(),
            from: old,
            to: new,
        });
    }
    tables.passwd.put(&account);
    if !wish.groups.is_empty() {
        // usermod --groups: these and no others.
        tables.join(wish.name, &wish.groups, true);
    }
    if let Some(password) = wish.password {
        let fresh = || Record::new([wish.name, "", "", "", "", "", "", "", ""]);
        let mut secret = tables.shadow.find(wish.name).unwrap_or_else(fresh);
        secret.set(1, password);
        tables.shadow.put(&secret);
    }
    Ok(homes)
}

fn ids_of(account: &Record) -> Owner {
    Owner {
        uid: account.number(ID),
        gid: account.number(PRIMARY),
    }
}

/// As userdel: out of all groups, and the user's own group goes too where nobody else is in it.
fn remove(account: &Record, tables: &mut Tables) -> Vec<Home> {
    let name = account.name();
    tables.passwd.remove(name);
    tables.shadow.remove(name);
    subordinate::take(name, tables);
    tables.join(name, &[], true);
    let own = tables.group.find(name).filter(|group| {
        let is_primary = |user: Record| user.number(PRIMARY) == group.number(ID);
        group.names(MEMBERS).is_empty() && !tables.passwd.records().any(is_primary)
    });
    if own.is_some() {
        tables.remove_group(name);
    }
    let home = account.number(ID).map(|uid| Home::Remove {
        path: account.field(HOME).to_owned(),
        uid,
    });
    home.into_iter().collect()
}
