//! The agent's state document, as far as it is shown.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::failure::Failure;

/// What the agent does and knows.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// The document as it came.
    pub(crate) json: String,
    /// The document as it is understood.
    pub(crate) document: Document,
}

/// The document.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Document {
    pub(crate) running: String,
    pub(crate) busy: bool,
    pub(crate) state: Phase,
    pub(crate) entries: Vec<Entry>,
    pub(crate) decision: Option<Decision>,
    /// On what that was decided; older agents do not say.
    pub(crate) decided: Option<Decided>,
    pub(crate) update: Option<Update>,
    pub(crate) refused: Vec<Refused>,
    /// Older agents do not say.
    #[serde(default)]
    pub(crate) unfit: Vec<Refused>,
    pub(crate) history: Vec<Record>,
    pub(crate) damage: Option<String>,
}

/// What the agent is doing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub(crate) enum Phase {
    Idle,
    Checking,
    Available {
        version: String,
    },
    Staging {
        version: String,
        step: String,
    },
    Staged {
        version: String,
        step: String,
    },
    Armed {
        version: String,
    },
    Waiting {
        version: String,
        reason: String,
        who: String,
    },
    Disarmed {
        version: String,
        reason: String,
    },
    OnTrial {
        from: Option<String>,
        to: String,
    },
    Committed {
        from: String,
        to: String,
    },
    GoingBack {
        from: String,
        to: String,
    },
    RolledBack {
        from: String,
        to: String,
        reason: String,
    },
    Failed {
        reason: String,
        who: String,
    },
}

/// A boot entry.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) version: String,
    pub(crate) tries: Option<Tries>,
}

/// Its counter.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Tries {
    pub(crate) left: u32,
    pub(crate) done: u32,
}

/// What the last check decided.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Decision {
    pub(crate) reason: String,
    pub(crate) verdicts: Vec<String>,
    /// Who must act, when something is wrong with a release and nothing is taken.
    pub(crate) at_fault: Option<String>,
}

/// The release that ran and the time when it was decided.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Decided {
    pub(crate) release: String,
    /// In milliseconds since 1970.
    pub(crate) at: u64,
}

/// The update under way.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Update {
    pub(crate) from: String,
    pub(crate) to: String,
    #[serde(flatten)]
    pub(crate) cost: Cost,
}

/// What an update cost and changed.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Cost {
    pub(crate) bytes_fetched: u64,
    pub(crate) seconds: BTreeMap<String, f64>,
    pub(crate) packages: Vec<PackageChange>,
}

/// A package that differs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PackageChange {
    pub(crate) name: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

/// A release that is not tried again, or is passed over.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Refused {
    pub(crate) version: String,
    pub(crate) reason: String,
}

/// What came of an update.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    #[serde(flatten)]
    pub(crate) cost: Cost,
}

impl Status {
    /// Understand the document.
    pub(crate) fn parse(json: String) -> Result<Self, Failure> {
        match serde_json::from_str(&json) {
            Ok(document) => Ok(Self { json, document }),
            Err(source) => Err(Failure::Understand { source }),
        }
    }
}
