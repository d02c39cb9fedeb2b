//! What was done to the disks of a machine, in order.

/// The number of a file or a directory, for as long as it is recorded.
pub(crate) type Ino = u64;

/// What a file lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Medium {
    /// The file that is the disk: table and slots.
    Disk,
    /// The FAT file system of the boot entries.
    Esp,
    /// The ext4 file system of everything that may change.
    Root,
}

/// One thing that was done.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) medium: Medium,
    pub(crate) deed: Deed,
}

/// What was done.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Create {
        dir: Ino,
        name: String,
        ino: Ino,
        directory: bool,
    },
    Write {
        ino: Ino,
        at: usize,
        bytes: Vec<u8>,
    },
    Resize {
        ino: Ino,
        size: usize,
    },
    Rename {
        dir: Ino,
        name: String,
        to_dir: Ino,
        to: String,
    },
    Remove {
        dir: Ino,
        name: String,
    },
    /// `fsync` and `fdatasync` of a file.
    SyncFile {
        ino: Ino,
    },
    /// `fsync` of a directory.
    SyncDir {
        ino: Ino,
    },
    /// The whole file system: `syncfs`, or firmware that is done with it.
    SyncAll,
    /// A rename by firmware, which has an order of its own.
    FirmwareRename {
        dir: Ino,
        name: String,
        to: String,
    },
}

impl Deed {
    /// Its kind, and what it was done to.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Create { name, .. } => format!("create {name}"),
            Self::Write { at, bytes, .. } => format!("write {} bytes at {at}", bytes.len()),
            Self::Resize { size, .. } => format!("resize to {size}"),
            Self::Rename { name, to, .. } => format!("rename {name} to {to}"),
            Self::Remove { name, .. } => format!("remove {name}"),
            Self::SyncFile { .. } => "fsync of a file".into(),
            Self::SyncDir { .. } => "fsync of a directory".into(),
            Self::SyncAll => "sync of all".into(),
            Self::FirmwareRename { name, to, .. } => format!("rename {name} to {to} by firmware"),
        }
    }
}
