//! Where bytes lie that are not verified yet: on ROOT, inside the root, for root's eyes only.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::Result;
use crate::root::{Owner, Root};

/// Below the root.
const PLACE: &str = "/var/lib/acl/provision/spool";
const MODE: u32 = 0o700;

/// The directory, held open: its path cannot be turned to something else.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    _directory: OwnedFd,
}

impl Spool {
    /// Makes it, or takes the one of a first boot that was cut off. Files in it have no names and end with this program.
    pub(super) fn make(root: &Root) -> Result<Self> {
        let directory = match root.directory(PLACE)? {
            Some(directory) => directory,
            None => root.place(PLACE)?.make_directory(MODE, Owner::default())?,
        };
        Ok(Self {
            path: PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())),
            _directory: directory,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
