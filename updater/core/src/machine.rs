//! What is read from the machine, and what it says about releases.
//!
//! Boot entries and their counters are the machine's own memory of a trial (UAPI.1, Automatic Boot
//! Assessment), so they are asked first and the state file only fills in what they cannot tell.

use serde::{Deserialize, Serialize};

use crate::Version;

/// The machine as read at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Version of the running release.
    pub running: Version,
    /// Boot entries of ACL on the EFI system partition.
    pub entries: Vec<Entry>,
    /// The last health report, whichever release wrote it.
    pub health: Option<Health>,
    /// When this was read, in milliseconds since 1970.
    pub at: u64,
}

/// A boot entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of the release it boots.
    pub version: Version,
    /// Its boot counter; none once it proved good.
    pub tries: Option<Tries>,
}

/// A boot counter: `+left-done` in the name of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// How often it may still be tried; at 0 the boot loader prefers every other entry.
    pub left: u32,
    /// How often it was tried.
    pub done: u32,
}

/// What the health checks of one boot found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The release that was checked.
    pub version: Version,
    /// Whether every check passed.
    pub healthy: bool,
    /// One line for each check that did not pass.
    pub reasons: Vec<String>,
}

impl Facts {
    /// The running release's own entry.
    #[must_use]
    pub fn running_entry(&self) -> Option<&Entry> {
        self.entries.iter().find(|e| e.version == self.running)
    }

    /// Whether the running release still has to prove itself.
    #[must_use]
    pub fn on_trial(&self) -> bool {
        self.running_entry().is_some_and(|e| e.tries.is_some())
    }

    /// Whether the boot loader comes back to the running release when every other entry is gone.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        self.running_entry().is_some_and(|e| e.tries.is_none())
    }

    /// The release the next boot tries.
    #[must_use]
    pub fn armed(&self) -> Option<&Version> {
        self.others()
            .find(|e| e.tries.is_some_and(|t| t.left > 0))
            .map(|e| &e.version)
    }

    /// The release that used up its tries or was marked bad, other than the running one.
    #[must_use]
    pub fn bad(&self) -> Option<&Entry> {
        self.others().find(|e| e.tries.is_some_and(|t| t.left == 0))
    }

    /// The proven release that the machine can go back to.
    #[must_use]
    pub fn fallback(&self) -> Option<&Version> {
        self.others()
            .find(|e| e.tries.is_none())
            .map(|e| &e.version)
    }

    fn others(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.version != self.running)
    }
}
