//! The initrd of a built image: small ones are loaded and hashed sooner by the firmware.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use acl_host::file;
use acl_tests::workspace;
use anyhow::{Context, Result};
use object::{Object, ObjectSection};
use serde::Serialize;

/// The section of a UKI (UAPI.5) that holds it.
const SECTION: &str = ".initrd";

/// An initrd as it is in a UKI: compressed.
#[derive(Debug, Serialize)]
pub(super) struct Initrd {
    /// Of the UKI.
    pub(super) uki: PathBuf,
    pub(super) bytes: u64,
}

impl Initrd {
    /// The one of `uki`, else of the release that was built last; none where none was built.
    pub(super) fn weigh(uki: Option<&Path>) -> Result<Option<Self>> {
        let Some(uki) = uki.map(Path::to_owned).or(newest()?) else {
            return Ok(None);
        };
        let bytes = file::read(&uki)?;
        let image = object::File::parse(&*bytes)
            .with_context(|| format!("{} is not a UKI", uki.display()))?;
        let section = image
            .section_by_name(SECTION)
            .with_context(|| format!("{} has no {SECTION}", uki.display()))?;
        let bytes = section.size();
        Ok(Some(Self { uki, bytes }))
    }
}

/// The UKI that was written last.
fn newest() -> Result<Option<PathBuf>> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for release in file::list(workspace::directory("releases")?)? {
        if !release.is_dir() {
            continue;
        }
        for path in file::list(&release)? {
            if path.extension().is_some_and(|suffix| suffix == "efi") {
                found.push((std::fs::metadata(&path)?.modified()?, path));
            }
        }
    }
    Ok(found.into_iter().max().map(|(_, path)| path))
}
