//! What is kept of updates: measures of the one under way, outcomes of those before, refusals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Version, state::Who};

/// An update that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// The release it was begun from.
    pub from: Version,
    /// The release it leads to.
    pub to: Version,
    /// Whether its boot entry may have been written, so that a bad entry is its doing.
    pub armed: bool,
    /// How often the agent asked for a reboot into it.
    #[serde(default)]
    pub reboots: u32,
    /// When it did so last, in milliseconds since 1970.
    pub rebooted_at: Option<u64>,
    /// What it cost so far.
    #[serde(flatten)]
    pub cost: Cost,
}

/// What an update cost and changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes that came over the network.
    pub bytes_fetched: u64,
    /// Seconds that each step took, by the step's name; `reboot` is from asking for the reboot to the
    /// outcome being known.
    pub seconds: BTreeMap<String, f64>,
    /// Packages that differ between the two releases.
    pub packages: Vec<PackageChange>,
}

/// A package that differs between two releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its version in the running release; none when it is new.
    pub from: Option<String>,
    /// Its version in the offered release; none when it is gone.
    pub to: Option<String>,
}

/// What came of an update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The release the machine left.
    pub from: Version,
    /// The release the machine came to.
    pub to: Version,
    /// How.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The new release proved itself.
    Committed,
    /// The machine went back.
    RolledBack {
        /// Why.
        reason: String,
    },
    /// The new release was armed, and its boot entry removed again before it was booted.
    Disarmed {
        /// Why.
        reason: String,
    },
}

impl Record {
    /// The release that the update left running.
    #[must_use]
    pub fn left_running(&self) -> &Version {
        match self.outcome {
            Outcome::Committed | Outcome::RolledBack { .. } => &self.to,
            Outcome::Disarmed { .. } => &self.from,
        }
    }
}

/// A release that proved to be damaged while it was staged. It is passed over as long as its manifest is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    /// Its version.
    pub version: Version,
    /// The SHA-256 of its manifest, in hexadecimal digits.
    pub manifest: String,
    /// What is wrong with it.
    pub reason: String,
    /// Who must act.
    pub who: Who,
    /// When this was found, in milliseconds since 1970, where the server may mend it without another manifest; none where
    /// what its publisher signed is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// A release that is not to be tried again until the operator says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its version.
    pub version: Version,
    /// Why.
    pub reason: String,
}
