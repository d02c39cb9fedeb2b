//! The stage `disks`: partitions, then RAID arrays, then LUKS volumes, then file systems.
//!
//! Owns what a config says about block devices (`storage.disks`, `raid`, `luks`, `filesystems`). Each part first decides,
//! in pure code, what is to be done, from the config and from what was found; then the programs run in that order, and the
//! first failure ends the stage. What the config calls a device by is what the messages call it by. Leaves mounting to
//! [`super::mount`], and what LUKS leaves in the new root ([`luks::persisted`]) to the stage that writes files.
//!
//! The order and the rules are Ignition's (operator notes: partition and file system reuse, LUKS). What differs, all to the
//! safe side: key files are fetched before a disk is touched; a device that holds a partition table or several signatures is
//! not overwritten unless the config says to wipe it; a partition table is written in one piece; an MBR is not converted;
//! a partition with the number 0 is the existing one of its label, so that a second first boot does not make it twice.

pub mod device;
pub mod filesystems;
pub mod luks;
pub mod machine;
pub mod partitions;
pub mod probe;
pub mod raid;

use std::fmt;

use crate::Result;
use crate::config::spec::Config;
pub use luks::keys::Keys;
pub use machine::{Line, Machine, Programs};

/// Something that was done, or found done already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The device, array, volume or mount point, as the config names it.
    pub name: String,
    /// What was done: `ext4 made`, `partition 1 matches`.
    pub what: String,
}

impl Done {
    pub(crate) fn new(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}

/// Makes the machine's block devices what the config says. `keys` are the key files of its LUKS volumes.
///
/// # Errors
/// [`crate::Error::Disk`], [`crate::Error::Partition`], [`crate::Error::Device`], [`crate::Error::Raid`],
/// [`crate::Error::Luks`], [`crate::Error::Filesystem`], [`crate::Error::Prepare`], and those of `acl-host`. What was done
/// before the failure stays done.
pub fn apply(config: &Config, keys: &Keys, machine: &Machine) -> Result<Vec<Done>> {
    let Some(storage) = &config.storage else {
        return Ok(Vec::new());
    };
    let mut done = partitions::apply(storage.disks.as_deref().unwrap_or_default(), machine)?;
    done.extend(raid::apply(
        storage.raid.as_deref().unwrap_or_default(),
        machine,
    )?);
    done.extend(luks::apply(
        storage.luks.as_deref().unwrap_or_default(),
        keys,
        machine,
    )?);
    let filesystems = storage.filesystems.as_deref().unwrap_or_default();
    done.extend(filesystems::apply(filesystems, machine)?);
    if !done.is_empty() {
        machine.settle()?;
    }
    Ok(done)
}
