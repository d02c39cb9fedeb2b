//! Packages on disk, each under its SHA-256; what does not have that digest never gets the name.

use std::path::{Path, PathBuf};

use acl_host::file;

use super::apt::Apt;
use super::package::Package;
use crate::Error;
use crate::digest;

/// How many packages one run of `apt-helper` fetches.
const BATCH: usize = 40;

/// A directory of packages that builds share.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The store in `directory`, which is made.
    ///
    /// # Errors
    /// [`Error::MakeDirectory`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let directory = directory.to_owned();
        std::fs::create_dir_all(&directory).map_err(|source| Error::MakeDirectory {
            path: directory.clone(),
            source,
        })?;
        Ok(Self { directory })
    }

    /// The file of a package.
    pub fn path(&self, package: &Package) -> PathBuf {
        self.directory.join(format!("{}.deb", package.sha256))
    }

    /// The bytes of a package that was fetched, with its digest checked once more.
    ///
    /// # Errors
    /// [`Error::Host`] if it cannot be read, [`Error::DamagedPackage`] if the disk gives back something else.
    pub fn read(&self, package: &Package) -> Result<Vec<u8>, Error> {
        let path = self.path(package);
        let bytes = file::read(&path)?;
        if digest::sha256(&bytes) == package.sha256 {
            return Ok(bytes);
        }
        Err(Error::DamagedPackage { path })
    }

    /// Fetches those of `packages` that are not there, and returns how many bytes that took.
    ///
    /// `mirror` gives the URL of a source by name.
    ///
    /// # Errors
    /// [`Error::Fetch`] if a mirror does not give a package, or gives another one than the lock names.
    pub fn fetch(
        &self,
        packages: &[Package],
        mirror: impl Fn(&str) -> Option<String>,
    ) -> Result<u64, Error> {
        let mut missing: Vec<&Package> = Vec::new();
        for package in packages {
            if !file::exists(self.path(package))? {
                missing.push(package);
            }
        }
        missing.sort_by(|a, b| a.sha256.cmp(&b.sha256));
        missing.dedup_by(|a, b| a.sha256 == b.sha256);
        if missing.is_empty() {
            return Ok(0);
        }
        let new = tempdir(&self.directory)?;
        for batch in missing.chunks(BATCH) {
            let mut command = Apt::helper(&new.path().join("apt"))?.arg("download-file");
            for package in batch {
                let mirror = mirror(&package.source).ok_or_else(|| Error::NoMirror {
                    source_name: package.source.clone(),
                })?;
                let digest = format!("SHA256:{}", package.sha256);
                let to = new.path().join(&package.sha256);
                command = command.arg(package.url(&mirror)).arg(to).arg(digest);
            }
            command.run().map_err(|source| Error::Fetch { source })?;
            for package in batch {
                self.keep(&new.path().join(&package.sha256), package)?;
            }
        }
        Ok(missing.iter().map(|package| package.size).sum())
    }

    fn keep(&self, fetched: &Path, package: &Package) -> Result<(), Error> {
        let found = digest::sha256(&file::read(fetched)?);
        if found != package.sha256 {
            return Err(Error::OtherPackage {
                package: format!("{} {}", package.name, package.version),
                expected: package.sha256.clone(),
                found,
            });
        }
        Ok(file::rename(fetched, self.path(package))?)
    }
}

fn tempdir(directory: &Path) -> Result<tempfile::TempDir, Error> {
    let made = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(directory);
    made.map_err(|source| Error::MakeDirectory {
        path: directory.to_owned(),
        source,
    })
}
