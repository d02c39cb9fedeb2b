//! Users and groups.

use std::fmt;

use super::{all, each, said, twice};
use crate::config::report::Findings;
use crate::config::{Path, authorized_key, spec};

/// What useradd takes (shadow, `NAME_REGEX` of Debian), so that every tool can handle the name.
const MOST_NAME_BYTES: usize = 32;

pub(super) fn check(passwd: &spec::Passwd, at: &Path, findings: &mut Findings) {
    for (at, user) in each(passwd.users.as_ref(), &at.field("users")) {
        check_name(&user.name, &at.field("name"), findings);
        check_id(user.uid, &at.field("uid"), findings);
        check_user(user, &at, findings);
    }
    for (at, group) in each(passwd.groups.as_ref(), &at.field("groups")) {
        check_name(&group.name, &at.field("name"), findings);
        check_id(group.gid, &at.field("gid"), findings);
        check_field(
            group.password_hash.as_ref(),
            &at.field("passwordHash"),
            findings,
        );
    }
    let users = each(passwd.users.as_ref(), &at.field("users")).map(|(at, user)| (at, &user.name));
    twice::check("the user", users, findings);
    let groups =
        each(passwd.groups.as_ref(), &at.field("groups")).map(|(at, group)| (at, &group.name));
    twice::check("the group", groups, findings);
}

fn check_user(user: &spec::User, at: &Path, findings: &mut Findings) {
    let fields = [
        ("gecos", &user.gecos),
        ("homeDir", &user.home_dir),
        ("passwordHash", &user.password_hash),
        ("shell", &user.shell),
    ];
    for (name, text) in fields {
        check_field(text.as_ref(), &at.field(name), findings);
    }
    for (name, text) in [("homeDir", &user.home_dir), ("shell", &user.shell)] {
        if let Some(path) = said(text.as_ref()) {
            super::path::check_loosely(path, &at.field(name), findings);
        }
    }
    if let Some(group) = said(user.primary_group.as_ref()) {
        check_reference(group, &at.field("primaryGroup"), findings);
    }
    for (at, group) in each(user.groups.as_ref(), &at.field("groups")) {
        check_reference(group, &at, findings);
    }
    let groups = each(user.groups.as_ref(), &at.field("groups"));
    twice::check("the group", groups, findings);
    let at = at.field("sshAuthorizedKeys");
    for (at, key) in each(user.ssh_authorized_keys.as_ref(), &at) {
        check_key(key, &at, findings);
    }
    let keys = each(user.ssh_authorized_keys.as_ref(), &at).map(|(at, key)| (at, Key(key)));
    twice::check("the key", keys, findings);
}

/// An SSH key that is compared whole and shown by its beginning.
#[derive(PartialEq, Eq, Hash)]
struct Key<'c>(&'c str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;
        let begin: String = self.0.chars().take(SHOWN).collect();
        let cut = if begin.len() < self.0.len() {
            "…"
        } else {
            ""
        };
        write!(f, "{begin:?}{cut}")
    }
}

/// Adds a warning for each user that the config makes and whom nothing lets in. Not where the config names others, which
/// may give what is missing.
pub(super) fn check_ways_in(config: &spec::Config, at: &Path, findings: &mut Findings) {
    let others = config.ignition.config.as_ref();
    let replaced = others.and_then(|others| others.replace.as_ref());
    if replaced.is_some_and(|replace| said(replace.source.as_ref()).is_some())
        || others.is_some_and(|others| !all(others.merge.as_ref()).is_empty())
    {
        return;
    }
    let users = config
        .passwd
        .as_ref()
        .and_then(|passwd| passwd.users.as_ref());
    for (at, user) in each(users, at) {
        if is_persons(user) && !has_way_in(user) && !writes_keys(config, user) {
            let message = "nobody can log in as this user: it has neither an SSH key nor a password hash; give one, \
                           or say \"system\": true for an account that only runs programs";
            findings.warning(at, message);
        }
    }
}

/// Whether someone shall work as the user, as far as a config tells. `root` is the image's.
fn is_persons(user: &spec::User) -> bool {
    let shell = said(user.shell.as_ref()).unwrap_or_default();
    user.name != "root"
        && user.should_exist != Some(false)
        && user.system != Some(true)
        && !shell.ends_with("/nologin")
        && !shell.ends_with("/false")
}

fn has_way_in(user: &spec::User) -> bool {
    let hash = said(user.password_hash.as_ref()).unwrap_or("*");
    let keys = all(user.ssh_authorized_keys.as_ref()).iter();
    !hash.starts_with(['*', '!']) || keys.into_iter().any(|key| !key.trim().is_empty())
}

/// Whether the config brings keys as files.
fn writes_keys(config: &spec::Config, user: &spec::User) -> bool {
    let home = match said(user.home_dir.as_ref()) {
        Some(home) => super::path::clean(home),
        None => format!("/home/{}", user.name),
    };
    let files = config
        .storage
        .as_ref()
        .and_then(|storage| storage.files.as_ref());
    let keys = format!("{home}/.ssh/authorized_keys");
    all(files).iter().any(|file| file.path.starts_with(&keys))
}

fn check_name(name: &str, at: &Path, findings: &mut Findings) {
    let first = name.chars().next();
    let begins = first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let goes_on = name
        .strip_suffix('$')
        .unwrap_or(name)
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'));
    if !begins || !goes_on || name.len() > MOST_NAME_BYTES {
        let message = format!(
            "{name:?} is not a name for a user or group: letters, digits, _ - and ., 32 at most, not a digit first"
        );
        findings.error(at.clone(), message);
    }
}

/// A group is named by its name or by its id (useradd(8)).
fn check_reference(group: &str, at: &Path, findings: &mut Findings) {
    let digits = !group.is_empty() && group.bytes().all(|digit| digit.is_ascii_digit());
    if digits {
        // One with too many digits is out of range as well.
        check_id(Some(group.parse().unwrap_or(i64::MAX)), at, findings);
    } else {
        check_name(group, at, findings);
    }
}

pub(super) fn check_id(id: Option<i64>, at: &Path, findings: &mut Findings) {
    // The largest one stands for "no id" in the kernel.
    if id.is_some_and(|id| !(0..i64::from(u32::MAX)).contains(&id)) {
        findings.error(at.clone(), "an id is 0 to 4294967294");
    }
}

/// A colon or a line end would make other fields and lines of /etc/passwd out of a value.
fn check_field(text: Option<&String>, at: &Path, findings: &mut Findings) {
    if text.is_some_and(|text| text.contains(':') || text.contains(char::is_control)) {
        findings.error(
            at.clone(),
            "colons and control characters cannot be written into /etc/passwd; leave them out",
        );
    }
}

fn check_key(key: &str, at: &Path, findings: &mut Findings) {
    if key.trim().is_empty() {
        return findings.warning(
            at.clone(),
            "this key is empty and lets nobody in; give one, or leave it out",
        );
    } else if key.contains("PRIVATE KEY") {
        return findings.error(
            at.clone(),
            "this is a private key; give the public one (the file that ends in .pub)",
        );
    } else if key.trim_end().contains(['\n', '\r']) {
        findings.warning(
            at.clone(),
            "several lines are several keys; give each one its own entry",
        );
    }
    for line in key.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(why) = authorized_key::unusable(line) {
            let message = format!("sshd cannot use this key: {why}");
            findings.warning(at.clone(), message);
        }
    }
}
