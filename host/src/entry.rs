//! Names of boot entries, which count the tries of a release that is on trial.
//!
//! `acl_<version>[+<left>[-<done>]].efi`: UAPI.1, "Boot counting". systemd-boot takes one from `left` and adds one to
//! `done` at each try; `left` of 0 is an entry that failed, sorted behind all others; without counters it is good.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The counters of an entry on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tries {
    /// How many boots are left.
    pub left: u32,
    /// How many boots were tried; `None` is written as nothing and counts as 0.
    pub done: Option<u32>,
}

/// The name of a boot entry of ACL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    version: String,
    tries: Option<Tries>,
}

impl EntryName {
    /// The entry of a release that is good.
    ///
    /// # Errors
    /// [`Error::EntryVersion`] for a version that is empty or has other characters than `A-Za-z0-9.^~-`.
    pub fn good(version: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".^~-".contains(c);
        if version.is_empty() || !version.chars().all(allowed) {
            return Err(Error::EntryVersion {
                version: version.to_owned(),
            });
        }
        Ok(Self {
            version: version.to_owned(),
            tries: None,
        })
    }

    /// The entry of a release on trial, with `left` boots to prove itself.
    ///
    /// # Errors
    /// [`Error::EntryVersion`].
    pub fn on_trial(version: &str, left: u32) -> Result<Self> {
        let tries = Some(Tries { left, done: None });
        Ok(Self {
            tries,
            ..Self::good(version)?
        })
    }

    /// The same entry, marked as failed: no boots left, those done as they were.
    pub fn failed(&self) -> Self {
        let done = self.tries.and_then(|tries| tries.done);
        Self {
            version: self.version.clone(),
            tries: Some(Tries { left: 0, done }),
        }
    }

    /// The version of the release it boots.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its counters; `None` for a good entry.
    pub fn tries(&self) -> Option<Tries> {
        self.tries
    }

    /// Whether it has used up its boots. The entry that runs on its last one looks the same until it is blessed.
    pub fn is_bad(&self) -> bool {
        self.tries.is_some_and(|tries| tries.left == 0)
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acl_{}", self.version)?;
        if let Some(tries) = self.tries {
            write!(f, "+{}", tries.left)?;
            if let Some(done) = tries.done {
                write!(f, "-{done}")?;
            }
        }
        f.write_str(".efi")
    }
}

impl FromStr for EntryName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        parse(name).ok_or_else(|| Error::ParseEntryName {
            name: name.to_owned(),
        })
    }
}

fn parse(name: &str) -> Option<EntryName> {
    let stem = name.strip_prefix("acl_")?.strip_suffix(".efi")?;
    let Some((version, counters)) = stem.split_once('+') else {
        return EntryName::good(stem).ok();
    };
    let (left, done) = match counters.split_once('-') {
        Some((left, done)) => (left, Some(number(done)?)),
        None => (counters, None),
    };
    let tries = Some(Tries {
        left: number(left)?,
        done,
    });
    let good = EntryName::good(version).ok()?;
    Some(EntryName { tries, ..good })
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::{EntryName, Tries};

    #[test]
    fn names_read_and_written() {
        for (name, version, tries) in [
            ("acl_1.2.3.efi", "1.2.3", None),
            ("acl_1+3.efi", "1", Some((3, None))),
            ("acl_1-rc1+2-1.efi", "1-rc1", Some((2, Some(1)))),
            (
                "acl_2026.11~rc^1+0-3.efi",
                "2026.11~rc^1",
                Some((0, Some(3))),
            ),
            ("acl_1+0.efi", "1", Some((0, None))),
        ] {
            let entry: EntryName = name.parse().unwrap();
            let tries = tries.map(|(left, done)| Tries { left, done });
            assert_eq!((entry.version(), entry.tries()), (version, tries));
            assert_eq!(entry.to_string(), name);
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in [
            "",
            "acl_.efi",
            "acl_1",
            "acl_1.EFI",
            "acl-1.efi",
            ".acl_1.efi.new",
            "acl_1+.efi",
            "acl_1+x.efi",
            "acl_1+3-.efi",
            "acl_1+3-x.efi",
            "acl_1++3.efi",
            "acl_1+-3.efi",
            "acl_1+3-1-1.efi",
            "acl_1_2.efi",
            "acl_a/b.efi",
            "acl_1+99999999999.efi",
            "acl_1+3.efi.efi",
        ] {
            let error = name.parse::<EntryName>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{name:?} is not the name of a boot entry of ACL")
            );
        }
    }

    #[test]
    fn a_version_cannot_leave_the_directory() {
        for version in ["", "../x", "a b", "1+3", "1_2", "\u{e4}"] {
            let error = EntryName::good(version).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("{version:?} cannot be part of the name of a boot entry")
            );
        }
    }

    #[test]
    fn failing_keeps_what_was_done() {
        let failed = |name: &str| name.parse::<EntryName>().unwrap().failed().to_string();
        assert_eq!(failed("acl_1+2-1.efi"), "acl_1+0-1.efi");
        assert_eq!(failed("acl_1.efi"), "acl_1+0.efi");
        assert!(EntryName::on_trial("1", 3).unwrap().failed().is_bad());
        assert!(!EntryName::on_trial("1", 3).unwrap().is_bad());
        assert!(!EntryName::good("1").unwrap().is_bad());
    }
}
