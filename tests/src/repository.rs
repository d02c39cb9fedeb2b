//! A release repository, made by the real publisher.

use std::fs;
use std::path::{Path, PathBuf};

use acl_host::file;
use anyhow::{Context, Result};

use crate::releases::{Build, Release};
use crate::stamp::{Inputs, reuse};
use crate::workspace::{self, Program};

/// The channel that the machines follow.
pub const CHANNEL: &str = "stable";

/// A repository and the keys of its roles.
#[derive(Debug, Clone)]
pub struct Repository {
    directory: PathBuf,
    keys: PathBuf,
}

impl Repository {
    /// Makes an empty repository with keys of its own in `place`.
    ///
    /// # Errors
    /// When the publisher fails.
    pub fn init(place: &Path) -> Result<Self> {
        let repository = Self::at(place);
        // `target/` lies in the checkout.
        repository.publisher("init", &["--channel", CHANNEL, "--in-work-tree"])?;
        Ok(repository)
    }

    /// A repository in `place`, which is emptied, that holds all three releases and offers the first two.
    ///
    /// # Errors
    /// When a release cannot be built or the publisher fails.
    pub fn of_all_releases(place: &Path) -> Result<Self> {
        let made = workspace::directory("")?.join("repository");
        {
            let builds = Release::ALL
                .iter()
                .map(|release| release.build())
                .collect::<Result<Vec<_>>>()?;
            let _turn = workspace::turn("repository.lock")?;
            let mut inputs = Inputs::default().path(&Program::Release.path()?)?;
            for build in &builds {
                inputs = inputs.path(&build.directory.join("made-from"))?;
            }
            reuse(&made, &inputs, |empty| {
                let repository = Self::init(empty)?;
                for build in &builds {
                    repository.add(build)?;
                }
                repository.promote(Release::First)?;
                repository.promote(Release::Second)
            })?;
        }
        if place.exists() {
            fs::remove_dir_all(place)?;
        }
        link_tree(&made, place)?;
        Ok(Self::at(place))
    }

    /// Adds a build; nodes do not see it before it is promoted.
    ///
    /// # Errors
    /// When the publisher fails.
    pub fn add(&self, build: &Build) -> Result<()> {
        self.add_directory(&build.directory)
    }

    /// Adds the build in a directory; nodes do not see it before it is promoted.
    ///
    /// # Errors
    /// When the publisher fails.
    pub fn add_directory(&self, directory: &Path) -> Result<()> {
        let build = directory.display().to_string();
        // A patch from the release before is enough, and each takes half a minute.
        self.publisher("add", &["--build", &build, "--patches", "1"])
    }

    /// Offers the release of a version.
    ///
    /// # Errors
    /// When the publisher fails.
    pub fn promote_version(&self, version: &str) -> Result<()> {
        self.publisher("promote", &[version, "--channel", CHANNEL])
    }

    /// The repository that was made in `place` before.
    pub fn open(place: &Path) -> Self {
        Self::at(place)
    }

    /// Offers a release.
    ///
    /// # Errors
    /// When the publisher fails.
    pub fn promote(&self, release: Release) -> Result<()> {
        self.promote_version(release.version())
    }

    /// Signs the metadata anew; `arguments` tell for how long.
    ///
    /// # Errors
    /// When the publisher fails.
    pub fn refresh(&self, arguments: &[&str]) -> Result<()> {
        self.publisher("refresh", arguments)
    }

    /// A copy as it is now, in `place`.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn snapshot(&self, place: &Path) -> Result<Self> {
        let above = self.directory.parent().context("no place above")?;
        link_tree(above, place)?;
        Ok(Self::at(place))
    }

    /// The directory to serve.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The root of trust that nodes start from.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn root(&self) -> Result<Vec<u8>> {
        Ok(file::read(self.directory.join("metadata/1.root.json"))?)
    }

    fn at(place: &Path) -> Self {
        Self {
            directory: place.join("repository"),
            keys: place.join("keys"),
        }
    }

    fn publisher(&self, verb: &str, arguments: &[&str]) -> Result<()> {
        Program::Release
            .command()?
            .arg(verb)
            .arg(&self.directory)
            .args(["--keys".into(), self.keys.clone().into_os_string()])
            .args(arguments.iter().copied())
            .run()
            .with_context(|| format!("cannot {verb} in {}", self.directory.display()))?;
        Ok(())
    }
}

/// Copies a tree by hard links: the publisher replaces files and never writes into one that is there.
fn link_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link_tree(&entry.path(), &target)?;
        } else {
            fs::hard_link(entry.path(), &target)?;
        }
    }
    Ok(())
}
