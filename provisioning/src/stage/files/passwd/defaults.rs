//! What the root's `/etc/login.defs` and `/etc/default/useradd` say about new accounts.

use std::collections::BTreeMap;

use crate::Result;
use crate::root::Root;

use super::ids::Range;
use super::subordinate::Subordinate;

/// Settings for new accounts; what the files leave out is as in Debian's shadow tools.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) users: Range,
    pub(super) system_users: Range,
    pub(super) groups: Range,
    pub(super) system_groups: Range,
    pub(super) subordinate_users: Subordinate,
    pub(super) subordinate_groups: Subordinate,
    /// Days: least and greatest age of a password, and of the warning; the fields 3 to 5 of `/etc/shadow`.
    pub(super) ages: [String; 3],
    /// Mode of a new home: `HOME_MODE`, or what `UMASK` leaves of 0777; 0755 on Debian.
    pub(super) home_mode: u32,
    /// The directory of new homes.
    pub(super) homes: String,
    /// What new homes are filled with.
    pub(super) skeleton: String,
    /// Login shell: bash where it is installed and `/etc/default/useradd` names none but Debian's `/bin/sh`.
    pub(super) shell: String,
    /// Primary group of users without their own group: 100, users.
    pub(super) group: String,
}

/// What useradd gives on Debian, also without its file.
const PLAIN_SHELL: &str = "/bin/sh";

/// What people expect who have a shell, where it is there (Fedora CoreOS and Flatcar give it, too).
const BETTER_SHELL: &str = "/bin/bash";

/// The settings of a file: a name, then a value.
struct Settings(BTreeMap<String, String>);

impl Defaults {
    pub(super) fn read(root: &Root) -> Result<Self> {
        let login = Settings::read(root, "/etc/login.defs")?;
        let useradd = Settings::read(root, "/etc/default/useradd")?;
        let (first_user, first_group) = (login.id("UID_MIN", 1000), login.id("GID_MIN", 1000));
        let range = |from: u32, to: u32| Range { from, to };
        let system_end = |first: u32| first.saturating_sub(1);
        Ok(Self {
            users: range(first_user, login.id("UID_MAX", 60000)),
            system_users: range(
                login.id("SYS_UID_MIN", 101),
                login.id("SYS_UID_MAX", system_end(first_user)),
            ),
            groups: range(first_group, login.id("GID_MAX", 60000)),
            system_groups: range(
                login.id("SYS_GID_MIN", 101),
                login.id("SYS_GID_MAX", system_end(first_group)),
            ),
            subordinate_users: login.subordinate("UID"),
            subordinate_groups: login.subordinate("GID"),
            ages: [
                login.text("PASS_MIN_DAYS", "0"),
                login.text("PASS_MAX_DAYS", "99999"),
                login.text("PASS_WARN_AGE", "7"),
            ],
            home_mode: login
                .mode("HOME_MODE")
                .or_else(|| login.mode("UMASK").map(|umask| 0o777 & !umask))
                .unwrap_or(0o755),
            homes: useradd.text("HOME", "/home"),
            skeleton: useradd.text("SKEL", "/etc/skel"),
            shell: shell(useradd.text("SHELL", PLAIN_SHELL), root)?,
            group: useradd.text("GROUP", "100"),
        })
    }
}

fn shell(named: String, root: &Root) -> Result<String> {
    if named != PLAIN_SHELL {
        return Ok(named);
    }
    let bash = root.find(BETTER_SHELL)?;
    let is_there = bash
        .map(|bash| bash.node())
        .transpose()?
        .flatten()
        .is_some();
    Ok(match is_there {
        true => BETTER_SHELL.to_owned(),
        false => named,
    })
}

impl Settings {
    fn read(root: &Root, path: &str) -> Result<Self> {
        Ok(Self::parse(
            root.read_to_string(path)?.unwrap_or_default().as_str(),
        ))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim_start);
        let settings = lines
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(|c: char| c == '=' || c.is_whitespace()))
            // A colon in a value would become one in the tables.
            .filter(|(_, value)| !value.contains(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self(settings.collect())
    }

    fn text(&self, name: &str, default: &str) -> String {
        let text = self.0.get(name).filter(|text| !text.is_empty());
        text.map_or_else(|| default.to_owned(), String::clone)
    }

    fn id(&self, name: &str, default: u32) -> u32 {
        let id = self.0.get(name).and_then(|text| text.parse().ok());
        id.filter(|id| *id != u32::MAX).unwrap_or(default)
    }

    fn subordinate(&self, kind: &str) -> Subordinate {
        Subordinate {
            from: self.id(&format!("SUB_{kind}_MIN"), 100_000),
            to: self.id(&format!("SUB_{kind}_MAX"), 600_100_000),
            count: self.id(&format!("SUB_{kind}_COUNT"), 65_536),
        }
    }

    /// A mode is octal there, with or without the leading 0.
    fn mode(&self, name: &str) -> Option<u32> {
        let text = self.0.get(name)?;
        let mode = u32::from_str_radix(text, 8).ok();
        mode.map(|mode| mode & 0o777)
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn both_forms_of_settings() {
        let settings = Settings::parse(
            "# UID_MIN 5\nUID_MIN\t\t 2000\nSHELL=/bin/bash\nHOME_MODE 0700\nUMASK 22\nGECOS=a:b\nODD\n",
        );
        assert_eq!(settings.id("UID_MIN", 1000), 2000);
        assert_eq!(settings.id("UID_MAX", 60000), 60000);
        assert_eq!(settings.id("SHELL", 7), 7);
        assert_eq!(settings.text("SHELL", "/bin/sh"), "/bin/bash");
        assert_eq!(settings.text("GECOS", ""), "");
        assert_eq!(settings.mode("HOME_MODE"), Some(0o700));
        assert_eq!(settings.mode("UMASK"), Some(0o22));
        assert_eq!(settings.mode("SHELL"), None);
    }
}
