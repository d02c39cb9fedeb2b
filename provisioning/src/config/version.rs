//! The versions of Ignition's spec that are understood.

use std::fmt;

/// A stable version of the spec; all of them are 3.x.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    minor: u8,
}

impl Version {
    /// The newest that is understood, and the one inside: 3.6.0.
    pub const NEWEST: Self = Self { minor: 6 };

    /// Every version that is understood, oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=Self::NEWEST.minor).map(|minor| Self { minor })
    }

    /// The `x` of 3.x.0.
    pub const fn minor(self) -> u8 {
        self.minor
    }

    /// Reads `ignition.version`; the error says what to do.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Some(version) = Self::all().find(|version| version.to_string() == text) {
            return Ok(version);
        }
        Err(if text.starts_with("2.") || text.starts_with("1.") {
            format!(
                "version {text} is of Ignition 0.x; translate the config to 3.4.0 with ign-converter"
            )
        } else if text.ends_with("-experimental") {
            format!("version {text} is experimental and may change; use 3.6.0")
        } else if text.starts_with("3.") {
            format!("version {text} is not known; use one of 3.0.0 to 3.6.0")
        } else {
            format!("{text:?} is not a version of Ignition's spec; use one of 3.0.0 to 3.6.0")
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "3.{}.0", self.minor)
    }
}
