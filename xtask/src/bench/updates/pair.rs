//! The pairs of releases: the one that a node has, and the one that it gets.

mod changed;
mod jump;

use acl_tests::releases::Release;
use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::image::{Change, Image};
use super::kit::Kit;

/// What lies between the two releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Pair {
    /// The security updates that Debian's archive has on top of the last point release
    Security,
    /// A byte inserted in the middle of the largest program
    OneFile,
    /// The byte in the middle of every file inverted
    EveryFile,
    /// The same packages from one release of Debian to the next
    BookwormTrixie,
}

/// The two releases.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) old: Image,
    pub(super) new: Image,
}

impl Pair {
    pub(super) const ALL: [Self; 4] = [
        Self::Security,
        Self::OneFile,
        Self::EveryFile,
        Self::BookwormTrixie,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::OneFile => "one-file",
            Self::EveryFile => "every-file",
            Self::BookwormTrixie => "bookworm-trixie",
        }
    }

    /// What a reader must know of it.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Security => "Debian trixie, then with its security updates",
            Self::OneFile => "one byte more in the middle of /usr's largest program",
            Self::EveryFile => "another byte in the middle of every file of /usr",
            Self::BookwormTrixie => "the same packages of Debian bookworm, then of trixie",
        }
    }

    /// Its releases; made when they are not there.
    pub(super) fn sides(self, kit: &Kit) -> Result<Sides> {
        let built = |release: Release| {
            let build = release.build()?;
            Image::read(&build.directory, &build.version)
        };
        match self {
            Self::Security => Ok(Sides {
                old: built(Release::First)?,
                new: built(Release::Second)?,
            }),
            Self::OneFile => changed::sides(kit, built(Release::First)?, changed::What::OneFile),
            Self::EveryFile => {
                changed::sides(kit, built(Release::First)?, changed::What::EveryFile)
            }
            Self::BookwormTrixie => jump::sides(kit),
        }
    }
}

impl Sides {
    /// The packages that differ.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.old.changes(&self.new)
    }

    /// Bytes that a file of both takes, with room to the next MiB.
    pub(super) fn room(&self, part: &str) -> Result<u64> {
        let length = |image: &Image| anyhow::Ok(std::fs::metadata(image.file(part)?)?.len());
        Ok(length(&self.old)?
            .max(length(&self.new)?)
            .next_multiple_of(1 << 20))
    }
}
