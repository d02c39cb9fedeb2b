//! The name of a release.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of a release, an opaque name: order and spelling belong to `acl_release::version`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(String);

impl Version {
    /// The version spelled `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// How the version is spelled.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
