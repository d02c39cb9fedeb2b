//! Why an effect failed, and who must act.

use std::path::PathBuf;

use acl_host::{Who, verity::RootHash};
use acl_updater_core::{Version, state};

use crate::{config, machine};

/// What to do about a release that is signed and cannot be right.
const WITHDRAW: &str = "; its publisher must withdraw it";

/// Why a release is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// What its publisher signed is wrong, or does not fit this machine: it stays so as long as its manifest is the same.
    Signed,
    /// No address has what its manifest says, or the EFI system partition has no room for its kernel image. That may be
    /// mended without another manifest.
    Passing,
}

/// Why an effect failed.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say it, and the fields are what they name"
)]
pub enum Error {
    #[error("the configuration is wrong, so nothing is done until it is corrected")]
    ReadConfig {
        #[from]
        source: config::Error,
    },
    #[error(
        "no update server is configured; set server = \"https://…\" in a file in /etc/acl/updater.d"
    )]
    NoServer,
    #[error("cannot read the trusted root of the repository; install its 1.root.json")]
    ReadTrustedRoot { source: acl_host::Error },
    #[error(
        "cannot read the authorities for the repository; put certificates in PEM where `ca` points"
    )]
    ReadAuthorities { source: acl_host::Error },
    #[error("this machine cannot be updated as it is")]
    ReadMachine {
        #[from]
        source: machine::Error,
    },
    #[error(
        "the version of the running release cannot be compared with others; install the machine anew from an image with a proper one"
    )]
    RunningVersion {
        source: acl_release::version::NotAVersion,
    },
    #[error("cannot read the release repository")]
    ReadRepository { source: acl_release::Error },
    #[error(
        "the {part} of release {version} has {needed} bytes and {name} of the slot has {size}: this disk's slots are too \
         small for the release; install the machine anew from a disk image with larger slots"
    )]
    SlotTooSmall {
        version: String,
        part: acl_release::manifest::Part,
        name: String,
        needed: u64,
        size: u64,
    },
    #[error("the boot entry of the release does not fit")]
    FitEntry { source: acl_host::Error },
    #[error("cannot keep a part of the release in {}", path.display())]
    KeepPart {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "an update needs {} MiB of memory, and {} MiB are available; it is tried again at the next check", needed >> 20, available >> 20
    )]
    LowMemory { available: u64, needed: u64 },
    #[error(
        "staging needs {} MiB in {}, and {} MiB are free; remove files that are not needed", needed >> 20, path.display(), free >> 20
    )]
    StateFull {
        path: PathBuf,
        needed: u64,
        free: u64,
    },
    #[error("cannot use the agent's directory")]
    KeepState { source: acl_host::Error },
    #[error("cannot fetch the release")]
    FetchRelease { source: acl_release::Error },
    #[error("the kernel image of release {version} is refused: {problem}{WITHDRAW}")]
    RefuseUki { version: String, problem: String },
    #[error("the signature of release {version} is refused{WITHDRAW}")]
    ParseSignature {
        version: String,
        source: acl_host::Error,
    },
    #[error(
        "the signature of release {version} is of the root hash {found}, the manifest says {expected}{WITHDRAW}"
    )]
    RefuseSignature {
        version: String,
        found: RootHash,
        expected: RootHash,
    },
    #[error("cannot remove the boot entries of the other slot; check the EFI system partition")]
    Disarm { source: acl_host::Error },
    #[error("cannot write to the slot; check the disk")]
    WriteSlot { source: acl_host::Error },
    #[error(
        "what the slot gives back is not what was written to it; replace the disk when this happens again"
    )]
    ReadBack { source: acl_host::Error },
    #[error(
        "the file system of release {version} does not have the root hash that the manifest says{WITHDRAW}"
    )]
    RefuseTree {
        version: String,
        source: acl_host::Error,
    },
    #[error("cannot name the partitions of the slot; check the disk")]
    NameSlot { source: acl_host::Error },
    #[error(
        "staging release {version} was given up after {} h: what the addresses of the repository give is too little; what \
         came is kept for the next check", limit.as_secs().div_ceil(3600)
    )]
    StagingTooLong {
        version: Version,
        limit: std::time::Duration,
    },
    #[error("release {version} is no longer offered ({reason}); it is not armed")]
    NoLongerOffered { version: Version, reason: String },
    #[error("release {version} was published anew with other content; it is not armed")]
    Replaced { version: Version },
    #[error("cannot write the boot entry; check the EFI system partition")]
    Arm { source: acl_host::Error },
    #[error(
        "cannot mark the boot entry of the running release as bad; check the EFI system partition"
    )]
    MarkBad { source: acl_host::Error },
    #[error("cannot reboot")]
    Reboot { source: acl_host::Error },
    #[error("cannot keep the state, so nothing is done that must be remembered")]
    SaveState { source: acl_host::Error },
    #[error("an update step came before a check had found a release")]
    NothingFound,
    #[error("a part of the agent ended unexpectedly")]
    Join {
        #[from]
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// What is wrong with the release itself, so that another try would end the same way; none when the network, the disk
    /// or the machine failed.
    pub(super) fn damage(&self) -> Option<Damage> {
        match self {
            Self::RefuseUki { .. }
            | Self::ParseSignature { .. }
            | Self::RefuseSignature { .. }
            | Self::RefuseTree { .. }
            | Self::SlotTooSmall { .. } => Some(Damage::Signed),
            Self::FitEntry {
                source: acl_host::Error::EspFull { .. },
            } => Some(Damage::Passing),
            Self::FetchRelease { source } if source.is_lacking() => Some(Damage::Passing),
            _ => None,
        }
    }

    /// Who must act.
    #[must_use]
    pub fn who(&self) -> Who {
        match self {
            Self::NoServer => Who::Operator,
            Self::ReadConfig { source } => source.who(),
            Self::ReadTrustedRoot { source } if is_missing(source) => Who::Operator,
            Self::ReadAuthorities { source } if is_missing(source) => Who::Operator,
            Self::ReadTrustedRoot { source } | Self::ReadAuthorities { source } => source.who(),
            Self::ReadMachine { source } => source.who(),
            Self::ReadRepository { source } | Self::FetchRelease { source } => source.who(),
            Self::RunningVersion { .. }
            | Self::SlotTooSmall { .. }
            | Self::KeepPart { .. }
            | Self::LowMemory { .. }
            | Self::StateFull { .. }
            | Self::StagingTooLong { .. }
            | Self::ReadBack { .. } => Who::Environment,
            Self::RefuseUki { .. }
            | Self::ParseSignature { .. }
            | Self::RefuseSignature { .. }
            | Self::RefuseTree { .. }
            | Self::NoLongerOffered { .. }
            | Self::Replaced { .. } => Who::Server,
            Self::FitEntry { source }
            | Self::Disarm { source }
            | Self::KeepState { source }
            | Self::WriteSlot { source }
            | Self::NameSlot { source }
            | Self::Arm { source }
            | Self::MarkBad { source }
            | Self::Reboot { source }
            | Self::SaveState { source } => source.who(),
            Self::NothingFound | Self::Join { .. } => Who::Bug,
        }
    }
}

fn is_missing(error: &acl_host::Error) -> bool {
    matches!(error, acl_host::Error::ReadFile { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// The same answer as the core keeps it.
pub(crate) fn in_core(who: Who) -> state::Who {
    match who {
        Who::Operator => state::Who::Operator,
        Who::Environment => state::Who::Environment,
        Who::Server => state::Who::Server,
        Who::Bug => state::Who::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_server(status: u16) -> acl_release::Error {
        acl_release::Error::Status {
            url: Box::new("http://host/".parse().unwrap()),
            status: status.try_into().unwrap(),
            wait: std::time::Duration::ZERO,
        }
    }

    fn everywhere(failures: [u16; 2]) -> acl_release::Error {
        acl_release::Error::Everywhere {
            failures: failures.map(of_server).into(),
        }
    }

    /// Only what every address has wrong is the release's: what may pass, at one of them, is not.
    #[test]
    fn what_is_the_releases_own() {
        let fetch = |source| Error::FetchRelease { source };
        let table = [
            (fetch(of_server(404)), Some(Damage::Passing)),
            (fetch(of_server(503)), None),
            (fetch(everywhere([404, 404])), Some(Damage::Passing)),
            (fetch(everywhere([404, 503])), None),
            (fetch(everywhere([503, 404])), None),
            (
                Error::ReadRepository {
                    source: of_server(404),
                },
                None,
            ),
            (
                Error::RefuseUki {
                    version: "2".into(),
                    problem: "it is no PE image".into(),
                },
                Some(Damage::Signed),
            ),
            (
                Error::LowMemory {
                    available: 0,
                    needed: 1,
                },
                None,
            ),
            (
                Error::NoLongerOffered {
                    version: Version::new("2"),
                    reason: "it is paused by its publisher".into(),
                },
                None,
            ),
            (Error::NothingFound, None),
        ];
        for (error, expected) in table {
            assert_eq!(error.damage(), expected, "{error}");
        }
    }
}
