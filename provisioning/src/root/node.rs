//! What is there: the kind of an entry, its mode and its owner.

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FileType, Stat};

/// An entry as it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permissions with the special bits: the lower 12 bits of the mode.
    pub mode: u32,
    /// The user that owns it.
    pub uid: u32,
    /// The group that owns it.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Device and inode: two entries with the same identity are one file.
    pub identity: (u64, u64),
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device node, FIFO or socket.
    Special,
}

/// Who shall own an entry; what is not given stays as it is (for a new one: as the kernel sets it, so root's).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

impl Owner {
    /// Both given.
    pub fn of(uid: u32, gid: u32) -> Self {
        Self {
            uid: Some(uid),
            gid: Some(gid),
        }
    }

    /// What must be changed so that `node` has this owner; nothing where it has.
    pub(super) fn change(self, node: &Node) -> Option<Self> {
        let change = Self {
            uid: self.uid.filter(|uid| *uid != node.uid),
            gid: self.gid.filter(|gid| *gid != node.gid),
        };
        (change != Self::default()).then_some(change)
    }
}

impl Node {
    pub(super) fn of(fd: impl AsFd) -> io::Result<Self> {
        Ok(rustix::fs::fstat(fd)?.into())
    }
}

impl From<Stat> for Node {
    fn from(stat: Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode).into(),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            identity: (stat.st_dev, stat.st_ino),
        }
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            _ => Self::Special,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "symbolic link",
            Self::Special => "device node, FIFO or socket",
        })
    }
}

/// Refuses everything that is not a regular file.
pub(super) fn regular(fd: impl AsFd) -> io::Result<()> {
    match Node::of(fd)?.kind {
        Kind::File => Ok(()),
        kind => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("it is a {kind}, not a file"),
        )),
    }
}
