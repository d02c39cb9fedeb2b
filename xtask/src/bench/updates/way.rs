//! The ways from one release to the next: ours and the peers'.

mod acl;
mod guest;
mod node;
mod rauc;
mod script;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::kit::Kit;
use super::pair::Sides;
use super::published::Published;
use super::server::{Answer, Traffic};
use crate::bench::usage::Usage;

/// A way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    /// `acl-release` publishes, `acl-updated once` stages
    Acl,
    /// A verity bundle with a block hash index, installed by streaming
    Rauc,
    /// Chunks of the default size, the old image as the seed
    Casync,
    /// `zstd -19 --patch-from` over the whole image
    ZstdPatch,
    /// `xdelta3 -9` over the whole image
    Xdelta3,
    /// `zstd -19` of the image
    Whole,
    /// The image as it is
    Dd,
}

/// What an update took.
#[derive(Debug)]
pub(super) struct Taken {
    /// All that the node got.
    pub(super) traffic: Traffic,
    /// Bytes of it for `/usr`.
    pub(super) usr: u64,
    pub(super) usage: Usage,
    /// Whether the node was a virtual machine: its time compares with nothing outside of it.
    pub(super) in_vm: bool,
    pub(super) published: Published,
    /// What was served, and what of it was asked for.
    pub(super) served: PathBuf,
    pub(super) answers: Vec<Answer>,
}

impl Way {
    pub(super) const ALL: [Self; 7] = [
        Self::Acl,
        Self::Rauc,
        Self::Casync,
        Self::ZstdPatch,
        Self::Xdelta3,
        Self::Whole,
        Self::Dd,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Rauc => "rauc",
            Self::Casync => "casync",
            Self::ZstdPatch => "zstd-patch",
            Self::Xdelta3 => "xdelta3",
            Self::Whole => "whole",
            Self::Dd => "dd",
        }
    }

    /// Publishes, lets a node take the update, and sees that it has it.
    pub(super) fn take(self, kit: &Kit, sides: &Sides, scratch: &Path) -> Result<Taken> {
        match self {
            Self::Acl => acl::take(kit, sides, scratch),
            Self::Rauc => rauc::take(kit, sides, scratch),
            Self::Casync => script::CASYNC.take(kit, sides, scratch),
            Self::ZstdPatch => script::ZSTD_PATCH.take(kit, sides, scratch),
            Self::Xdelta3 => script::XDELTA3.take(kit, sides, scratch),
            Self::Whole => script::WHOLE.take(kit, sides, scratch),
            Self::Dd => script::DD.take(kit, sides, scratch),
        }
    }
}

/// Sees that `file`, from `offset` on, starts with what `expected` holds.
fn must_hold(file: &Path, offset: u64, expected: &Path) -> Result<()> {
    use std::io::{Seek, SeekFrom};
    let mut found = File::open(file).with_context(|| format!("no {}", file.display()))?;
    found.seek(SeekFrom::Start(offset))?;
    let mut expected_bytes = BufReader::with_capacity(1 << 20, File::open(expected)?);
    let (mut left, mut right) = (vec![0; 1 << 20], Vec::new());
    loop {
        right.clear();
        Read::by_ref(&mut expected_bytes)
            .take(left.len() as u64)
            .read_to_end(&mut right)?;
        if right.is_empty() {
            return Ok(());
        }
        let left = &mut left[..right.len()];
        found
            .read_exact(left)
            .with_context(|| format!("{} is too short", file.display()))?;
        ensure!(
            *left == right[..],
            "{} does not hold {} after the update",
            file.display(),
            expected.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::must_hold;
    use acl_host::file::scratch;

    #[test]
    fn what_a_slot_holds_is_compared() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut image = vec![7; (1 << 20) + 5];
        scratch(at("image"), &image).unwrap();
        let mut slot = vec![0; 3];
        slot.extend(&image);
        slot.extend([9; 100]);
        scratch(at("slot"), &slot).unwrap();
        must_hold(&at("slot"), 3, &at("image")).unwrap();
        let other = |offset| {
            let error = must_hold(&at("slot"), offset, &at("image")).unwrap_err();
            error.to_string()
        };
        let expected = format!(
            "{} does not hold {} after the update",
            at("slot").display(),
            at("image").display()
        );
        assert_eq!(other(2), expected);
        image[1 << 20] = 8;
        scratch(at("image"), &image).unwrap();
        assert_eq!(other(3), expected);
    }
}
