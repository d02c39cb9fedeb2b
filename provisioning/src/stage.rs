//! What is done with a config, in Ignition's order, one file a stage.

pub mod crypttab;
pub mod disks;
pub mod fetch;
pub mod files;
pub mod mount;
pub mod umount;

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A stage, as `-stage` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The config is fetched if that needs no network; if it does, the file of `-neednet` asks for one.
    FetchOffline,
    /// The config is fetched.
    Fetch,
    /// Nothing: the kernel command line is signed, and the check of the config refused to change it.
    Kargs,
    /// Partitions, arrays, volumes and filesystems are made.
    Disks,
    /// Filesystems are mounted below the root.
    Mount,
    /// Users, files and units are written.
    Files,
    /// What `mount` mounted is unmounted. Then the marker is written: the first boot is over.
    Umount,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 7] = [
        Self::FetchOffline,
        Self::Fetch,
        Self::Kargs,
        Self::Disks,
        Self::Mount,
        Self::Files,
        Self::Umount,
    ];

    /// Ignition's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FetchOffline => "fetch-offline",
            Self::Fetch => "fetch",
            Self::Kargs => "kargs",
            Self::Disks => "disks",
            Self::Mount => "mount",
            Self::Files => "files",
            Self::Umount => "umount",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stage {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let stage = Self::ALL.into_iter().find(|stage| stage.name() == name);
        stage.ok_or_else(|| Error::Stage {
            name: name.to_owned(),
        })
    }
}
