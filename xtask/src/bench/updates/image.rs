//! The files of a release, as `acl-image build` leaves them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use acl_host::file;
use acl_image::digest;
use acl_tests::stamp::Inputs;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A release.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) version: String,
    pub(super) directory: PathBuf,
    pub(super) description: Description,
}

/// The build description, as much of it as is used here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) schema: u32,
    pub(super) version: String,
    pub(super) arch: String,
    pub(super) image_id: String,
    pub(super) root_hash: String,
    pub(super) files: BTreeMap<String, String>,
    pub(super) packages: Vec<Package>,
}

/// A package of the image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) arch: String,
}

/// A package that differs between two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) name: String,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
}

impl Image {
    /// The release `version` in `directory`.
    pub(super) fn read(directory: &Path, version: &str) -> Result<Self> {
        let path = directory.join(format!("acl_{version}.json"));
        let description = serde_json::from_slice(&file::read(&path)?)
            .with_context(|| format!("cannot read the build description {}", path.display()))?;
        Ok(Self {
            version: version.to_owned(),
            directory: directory.to_owned(),
            description,
        })
    }

    /// One of its files: `usr`, `verity`, `signature` or `uki`.
    pub(super) fn file(&self, part: &str) -> Result<PathBuf> {
        let name = self.description.files.get(part);
        let name = name.with_context(|| format!("{} has no {part}", self.version))?;
        Ok(self.directory.join(name))
    }

    /// Adds what it is made of to the inputs of something.
    pub(super) fn identify(&self, inputs: Inputs) -> Result<Inputs> {
        Ok(inputs
            .word(&self.version)
            .word(&self.description.root_hash)
            .word(digest::sha256_file(&self.file("uki")?)?))
    }

    /// The packages that differ, by name.
    pub(super) fn changes(&self, newer: &Self) -> Vec<Change> {
        let (from, to) = (self.packages(), newer.packages());
        let mut names: Vec<&str> = from.keys().chain(to.keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        let version = |of: &BTreeMap<&str, &str>, name| of.get(name).map(ToString::to_string);
        names
            .into_iter()
            .filter(|name| from.get(name) != to.get(name))
            .map(|name| Change {
                name: name.to_owned(),
                from: version(&from, name),
                to: version(&to, name),
            })
            .collect()
    }

    fn packages(&self) -> BTreeMap<&str, &str> {
        let packages = self.description.packages.iter();
        packages
            .map(|package| (package.name.as_str(), package.version.as_str()))
            .collect()
    }
}
