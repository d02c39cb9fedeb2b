//! A release's version, compared as the UAPI group's Version Format Specification (UAPI.10) says.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest version that is accepted, in bytes: it becomes part of file names on a FAT file system.
const LONGEST: usize = 64;

/// A release's version such as `13.20261101`; ordered by UAPI.10, in which `2~rc1` is older than `2`.
///
/// Two versions that differ only in leading zeros are equal in that order but not the same text; to keep `Eq`
/// and `Ord` in step, the text decides between them.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// A text that cannot be a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a version: 1 to {LONGEST} characters out of A-Z a-z 0-9 . ^ ~ - are expected, the first a letter or digit"
)]
pub struct NotAVersion(String);

impl Version {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".^~-".contains(&b);
        // The first character keeps a version from being a hidden file, a parent directory or an option.
        let starts = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        if !starts || text.len() > LONGEST || !text.bytes().all(fits) {
            return Err(NotAVersion(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Self, NotAVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        uapi_version::strverscmp(&self.0, &other.0).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_uapi_10() {
        let ascending = [
            "2~rc1", "2", "2-1", "2^1", "2.1", "13.1", "13.2", "13.10", "20261101",
        ];
        for pair in ascending.windows(2) {
            let [older, newer] = [pair[0], pair[1]].map(|text| text.parse::<Version>().unwrap());
            assert_eq!(older.cmp(&newer), Ordering::Less, "{older} {newer}");
        }
    }

    #[test]
    fn texts_that_are_no_versions() {
        let long = "1".repeat(LONGEST + 1);
        for text in [
            "", ".", "..", "-1", "~1", "1/2", "1_2", "1+3", "1 2", "ü", "1\0", &long,
        ] {
            assert_eq!(
                text.parse::<Version>(),
                Err(NotAVersion(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn documents_with_a_bad_version_do_not_parse() {
        assert_eq!(
            serde_json::from_str::<Version>("\"1.2\"").unwrap().as_str(),
            "1.2"
        );
        assert_eq!(
            serde_json::from_str::<Version>("\"../1\"")
                .unwrap_err()
                .to_string(),
            NotAVersion("../1".to_owned()).to_string()
        );
    }
}
