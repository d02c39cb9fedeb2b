//! Everything that can go wrong on the way to the system, and who must act on it.

use std::io;
use std::path::PathBuf;

use crate::Who;
use crate::guid::Guid;

/// The result of an action on the system.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed action on the system, named for the action.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say it, and the fields are what they name"
)]
pub enum Error {
    // Files
    #[error("cannot read {}", path.display())]
    ReadFile { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    WriteFile { path: PathBuf, source: io::Error },
    #[error("cannot remove {}", path.display())]
    RemoveFile { path: PathBuf, source: io::Error },
    #[error("cannot rename {} to {}", from.display(), to.display())]
    RenameFile {
        from: PathBuf,
        to: PathBuf,
        source: io::Error,
    },
    #[error("cannot make the directory {}", path.display())]
    MakeDirectory { path: PathBuf, source: io::Error },
    #[error("cannot list {}", path.display())]
    ListDirectory { path: PathBuf, source: io::Error },
    #[error("cannot make {} durable", path.display())]
    Sync { path: PathBuf, source: io::Error },

    // Programs
    #[error("{program} is not installed: install the Debian package {package}")]
    FindTool {
        program: String,
        package: &'static str,
    },
    #[error("{} is missing from the tools tree: its recipe lacks the package {package}", path.display())]
    FindToolInTree {
        path: PathBuf,
        package: &'static str,
    },
    #[error("there is no program {}: correct its path", path.display())]
    FindOperatorProgram { path: PathBuf },
    #[error("there is no program {}: build the workspace first, cargo build --release", path.display())]
    FindOwnProgram { path: PathBuf },
    #[error("cannot start {}", path.display())]
    StartOperatorProgram { path: PathBuf, source: io::Error },
    #[error("cannot start {program}")]
    StartTool { program: String, source: io::Error },
    #[error("cannot exchange data with {program}")]
    TalkToTool { program: String, source: io::Error },
    #[error("{program} failed ({status}){}", said(stderr))]
    RunTool {
        program: String,
        status: std::process::ExitStatus,
        /// The last lines of what it wrote to standard error.
        stderr: String,
    },
    #[error("{program} did not end within {} s and was killed{}", limit.as_secs_f32(), said(stderr))]
    ToolTimeout {
        program: String,
        limit: std::time::Duration,
        /// The last lines of what it wrote to standard error.
        stderr: String,
    },

    // Disks and partition tables
    #[error("cannot open the disk {}", path.display())]
    OpenDisk { path: PathBuf, source: io::Error },
    #[error("cannot read {length} bytes at {offset} of {}", path.display())]
    ReadDisk {
        path: PathBuf,
        offset: u64,
        length: usize,
        source: io::Error,
    },
    #[error("cannot write {length} bytes at {offset} of {}", path.display())]
    WriteDisk {
        path: PathBuf,
        offset: u64,
        length: usize,
        source: io::Error,
    },
    #[error(
        "{length} bytes at {offset} do not fit into the {size} bytes of {name}: the release needs larger slots than this disk has"
    )]
    OutsideOfRegion {
        name: String,
        offset: u64,
        length: u64,
        size: u64,
    },
    #[error("no disk of this machine has a partition {guid}")]
    FindDisk { guid: Guid },
    #[error(
        "more than one disk has a partition {guid} ({}): detach the copy", disks.join(", ")
    )]
    AmbiguousDisk { guid: Guid, disks: Vec<String> },
    #[error("{} has no partition table that can be read: {reason}", path.display())]
    ReadTable { path: PathBuf, reason: String },
    #[error("the partition table of {} cannot be written: {reason}", path.display())]
    InvalidTable { path: PathBuf, reason: String },
    #[error("{} has no partition {index}", path.display())]
    NoPartition { path: PathBuf, index: u32 },
    #[error("{text:?} is not a GUID")]
    ParseGuid { text: String },
    #[error("the kernel gives no random numbers")]
    Random,

    // Slots
    #[error(
        "the kernel command line has no usrhash=: this machine was not booted from an ACL release, so there is no slot to update"
    )]
    NoUsrHash,
    #[error(
        "{} has no partition {label}: a machine with one slot cannot take updates, install it anew from a disk image", path.display()
    )]
    NoSlot { path: PathBuf, label: &'static str },
    #[error(
        "{} has more than one partition {label}: rename or delete the one that is not ACL's", path.display()
    )]
    AmbiguousSlot { path: PathBuf, label: String },
    #[error(
        "no slot of {} holds the running release (usrhash={hash}): the partition table was changed, or this is another machine's disk", path.display()
    )]
    HashFitsNoSlot { path: PathBuf, hash: String },

    // Verity
    #[error("{text:?} is not a root hash: 64 hexadecimal digits are wanted")]
    ParseRootHash { text: String },
    #[error("{length} bytes are not a whole number of blocks of 4096 bytes")]
    OddLength { length: u64 },
    #[error("cannot read the data of a verity tree")]
    ReadVerity { source: io::Error },
    #[error("no verity superblock that this version can read: {reason}")]
    VeritySuperblock { reason: String },
    #[error("the verity tree does not fit the data at byte {offset} of the tree")]
    VerityMismatch { offset: u64 },
    #[error("the root hash is {found}, not {expected}")]
    RootHashMismatch { expected: String, found: String },
    #[error("the verity signature is not valid JSON of the form of UAPI.2")]
    ParseSignature { source: serde_json::Error },
    #[error("the field {field} of the verity signature is malformed")]
    SignatureField { field: &'static str },

    // Boot entries
    #[error(
        "the EFI system partition at {} is full: {needed} bytes are needed and {free} are free; remove files that are not ACL's from it", path.display()
    )]
    EspFull {
        path: PathBuf,
        needed: u64,
        free: u64,
    },
    #[error("{name:?} is not the name of a boot entry of ACL")]
    ParseEntryName { name: String },
    #[error("{version:?} cannot be part of the name of a boot entry")]
    EntryVersion { version: String },
    #[error("there is no boot entry for {version} in {}", path.display())]
    NoEntry { path: PathBuf, version: String },
    #[error(
        "{version} has the only boot entry in {} that works: without it the machine would not boot", path.display()
    )]
    LastEntry { path: PathBuf, version: String },
    #[error("the kernel image for {version} ended after {found} bytes of {expected}")]
    ShortEntry {
        version: String,
        expected: u64,
        found: u64,
    },
    #[error("no EFI system partition is mounted at /efi or /boot")]
    FindEsp,
    #[error("the firmware variable {name} is malformed")]
    EfiVariable { name: &'static str },

    // Private keys
    #[error(
        "neither XDG_DATA_HOME nor HOME is set, so there is no usual directory for keys: name one"
    )]
    NoDataDirectory,
    #[error(
        "{} lies in the git work tree {}, from where private keys get into commits: choose a directory outside of it, or say --in-work-tree",
        path.display(), work_tree.display()
    )]
    KeysInWorkTree { path: PathBuf, work_tree: PathBuf },

    // systemd
    #[error("cannot reach systemd over D-Bus")]
    ConnectBus { source: Box<zbus::Error> },
    #[error("systemd did not {action}")]
    AskSystemd {
        action: String,
        source: Box<zbus::Error>,
    },
}

impl Error {
    /// Who must act.
    pub fn who(&self) -> Who {
        match self {
            Self::ParseGuid { .. }
            | Self::NoDataDirectory
            | Self::KeysInWorkTree { .. }
            | Self::ParseRootHash { .. }
            | Self::FindOperatorProgram { .. }
            | Self::StartOperatorProgram { .. } => Who::Operator,
            Self::ParseSignature { .. }
            | Self::SignatureField { .. }
            | Self::ShortEntry { .. }
            | Self::EntryVersion { .. }
            | Self::OutsideOfRegion { .. } => Who::Server,
            Self::InvalidTable { .. }
            | Self::NoPartition { .. }
            | Self::OddLength { .. }
            | Self::LastEntry { .. } => Who::Bug,
            _ => Who::Environment,
        }
    }
}

/// An error and all its causes in one line, "a: b: c": the only printer of error chains.
///
/// A cause whose text the message before it already ends with is left out: foreign errors repeat their sources.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

fn said(stderr: &str) -> String {
    match stderr.trim() {
        "" => " and said nothing".to_owned(),
        text => format!(": {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, chain};
    use crate::Who;
    use std::io;

    #[test]
    fn chain_joins_causes() {
        let error = Error::ReadFile {
            path: "/etc/acl/trust/root.json".into(),
            source: io::Error::other("the disk is on fire"),
        };
        assert_eq!(
            chain(&error),
            "cannot read /etc/acl/trust/root.json: the disk is on fire"
        );
    }

    #[test]
    fn chain_leaves_out_what_was_said() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {source}")]
        struct Repeats {
            source: io::Error,
        }
        let error = Repeats {
            source: io::Error::other("inner"),
        };
        assert_eq!(chain(&error), "outer: inner");
    }

    #[test]
    fn who_must_act() {
        assert_eq!(Error::NoUsrHash.who(), Who::Environment);
        let guid = Error::ParseGuid { text: "x".into() };
        assert_eq!(guid.who(), Who::Operator);
        assert_eq!(Error::OddLength { length: 1 }.who(), Who::Bug);
    }
}
