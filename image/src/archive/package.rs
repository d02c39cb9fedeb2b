//! A package as the lock names it.

use serde::{Deserialize, Serialize};

/// One binary package of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Debian version, with its epoch.
    pub version: String,
    /// `amd64` or `all`.
    pub arch: String,
    /// SHA-256 of the `.deb`, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Bytes of the `.deb`.
    pub size: u64,
    /// The source of the recipe that it came from.
    pub source: String,
    /// Path below the archive's URL, as it stands in a URL.
    pub path: String,
}

impl Package {
    /// The package's URL on `mirror`.
    pub fn url(&self, mirror: &str) -> String {
        format!("{mirror}/{}", self.path)
    }
}
