//! What was made of the machine at its first boot: the record that stays on ROOT, and that `aclctl` shows.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stage::Stage;
use crate::{Error, Result};

/// Where the record is, below the root. That it is there is the marker: the first boot is over.
pub const PROVISIONED: &str = "/var/lib/acl/provision/provisioned.json";
/// Where the record of a first boot that failed is, below the root; the next one replaces it.
pub const FAILED: &str = "/var/lib/acl/provision/failed.json";
/// Where the log of the first boot is, below the root.
pub const LOG: &str = "/var/lib/acl/provision/log";

/// The record of a first boot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The form of the document: 1.
    pub schema: u32,
    /// What the machine runs on, by Ignition's platform ids.
    pub platform: String,
    /// The version of the release that provisioned it, or nothing where that is not known.
    pub release: String,
    /// Every document that went into the config, the last word first.
    pub origins: Vec<Origin>,
    /// The stages that ran, in order.
    pub stages: Vec<Ran>,
}

/// Where a part of the config is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `user`: the operator's; `referenced`: named by it; `base`: the image's.
    pub kind: String,
    /// A file or an address, without secrets.
    pub place: String,
    /// SHA-512 of the document, in hexadecimal.
    pub sha512: String,
}

/// A stage that ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// Ignition's name of the stage.
    pub stage: String,
    /// When it began, in UTC (RFC 3339).
    pub began: String,
    /// How long it took.
    pub seconds: f64,
    /// What was done, a line each.
    pub done: Vec<String>,
    /// Why it failed; none when it did not.
    pub error: Option<String>,
}

impl Ran {
    /// A stage that begins now.
    pub(crate) fn begin(stage: Stage, now: Timestamp) -> Self {
        Self {
            stage: stage.to_string(),
            began: now.to_string(),
            ..Self::default()
        }
    }
}

impl Status {
    /// The record of the stages before this one; an empty one before the first.
    ///
    /// # Errors
    /// [`Error::Host`] when it cannot be read, [`Error::Status`] when it is not one.
    pub fn read(path: &Path) -> Result<Self> {
        if !acl_host::file::exists(path)? {
            return Ok(Self {
                schema: 1,
                ..Self::default()
            });
        }
        let bytes = acl_host::file::read(path)?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Status {
            path: path.to_owned(),
            source,
        })
    }

    /// Adds a stage; one that is run again replaces its earlier run.
    pub fn add(&mut self, ran: Ran) {
        self.stages.retain(|earlier| earlier.stage != ran.stage);
        self.stages.push(ran);
    }

    /// Whether the machine is what its config says: users, files and units are written, and nothing failed.
    pub fn is_complete(&self) -> bool {
        let written = |ran: &Ran| ran.stage == Stage::Files.name();
        self.error().is_none() && self.stages.iter().any(written)
    }

    /// Why a stage failed; none when none did.
    pub fn error(&self) -> Option<&str> {
        self.stages.iter().find_map(|ran| ran.error.as_deref())
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and numbers are written without fail.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
