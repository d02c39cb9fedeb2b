//! The releases that the tests and the demo work with, built by the real image builder and kept in `target/tests/`.
//!
//! The first is made from Debian's main archive; the second has the security updates on top, so that the update is
//! a real one; the third is broken on purpose.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::stamp::{Inputs, reuse};
use crate::workspace::{self, Program};

/// A release of the pair, or one made for a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// From the main archive.
    First,
    /// With the security updates.
    Second,
    /// Its containerd cannot start.
    Broken,
    /// As the second, and its ROOT is encrypted with the TPM.
    Encrypted,
}

/// A built release.
#[derive(Debug, Clone)]
pub struct Build {
    /// Its version.
    pub version: String,
    /// The directory with its files.
    pub directory: PathBuf,
    /// What `acl-image build` says about it.
    pub description: Description,
}

/// The build description, as much of it as is used here.
#[derive(Debug, Clone, Deserialize)]
pub struct Description {
    /// The root hash of `/usr`, in hexadecimal.
    pub root_hash: String,
    /// Names of its files.
    pub files: Files,
}

/// Names of the files of a build, relative to its directory.
#[derive(Debug, Clone, Deserialize)]
pub struct Files {
    /// The disk image.
    pub disk: PathBuf,
    /// The unified kernel image.
    pub uki: PathBuf,
    /// The file system of `/usr`.
    pub usr: PathBuf,
}

impl Release {
    /// Those that a repository offers, oldest first.
    pub const ALL: [Self; 3] = [Self::First, Self::Second, Self::Broken];

    /// Its version.
    pub const fn version(self) -> &'static str {
        match self {
            Self::First => "1.0.0",
            Self::Second => "1.1.0",
            Self::Broken => "1.2.0",
            Self::Encrypted => "1.1.0~encrypted",
        }
    }

    fn recipe(self) -> &'static str {
        match self {
            Self::First | Self::Second => workspace::RECIPE,
            Self::Broken => "tests/data/broken-containerd/recipe.toml",
            Self::Encrypted => "tests/data/encrypted-root/recipe.toml",
        }
    }

    /// The release, built when it was not, or when something that goes into it has changed.
    ///
    /// # Errors
    /// When the build fails; what the builder says on the way goes to standard error.
    pub fn build(self) -> Result<Build> {
        workspace::build()?;
        let keys = keys()?;
        let _turn = workspace::turn("releases.lock")?;
        let directory = workspace::directory("releases")?.join(self.version());
        reuse(&directory, &self.inputs(&keys)?, |out| {
            Order {
                recipe: &workspace::root().join(self.recipe()),
                version: self.version(),
                keys: &keys,
                out,
                cache: &workspace::cache()?,
                programs: &workspace::target()?.join("release"),
                without: self.without(),
            }
            .run()
        })?;
        Build::read(&directory, self.version())
    }

    fn without(self) -> Option<&'static str> {
        (self == Self::First).then_some("security")
    }

    fn inputs(self, keys: &Path) -> Result<Inputs> {
        let root = workspace::root();
        let mut inputs = Inputs::default()
            .word(self.version())
            .word(self.recipe())
            .word(self.without().unwrap_or_default())
            .path(keys)?;
        for program in [
            Program::Image,
            Program::Updated,
            Program::Ctl,
            Program::Provision,
        ] {
            inputs = inputs.path(&program.path()?)?;
        }
        for tree in [
            "image/recipes",
            "image/tree",
            "image/initrd",
            "updater/daemon/dist",
            "provisioning/dist",
            "tests/data/broken-containerd",
            "tests/data/encrypted-root",
        ] {
            inputs = inputs.path(&root.join(tree))?;
        }
        Ok(inputs)
    }
}

/// An order to the image builder.
#[derive(Debug)]
pub struct Order<'a> {
    /// The recipe.
    pub recipe: &'a Path,
    /// The version to give it.
    pub version: &'a str,
    /// The keys to sign with.
    pub keys: &'a Path,
    /// Where it goes.
    pub out: &'a Path,
    /// Where it keeps what it fetches.
    pub cache: &'a Path,
    /// Where the workspace's programs are.
    pub programs: &'a Path,
    /// A source of the recipe to leave out.
    pub without: Option<&'a str>,
}

impl Order<'_> {
    /// Has it built.
    ///
    /// # Errors
    /// When the build fails.
    pub fn run(&self) -> Result<()> {
        Program::Image
            .command()?
            .args(self.arguments())
            .stderr(std::io::stderr())
            .run()
            .with_context(|| format!("cannot build release {}", self.version))?;
        Ok(())
    }

    /// The arguments of `acl-image` for it.
    pub fn arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = vec![
            "build".into(),
            "--recipe".into(),
            self.recipe.into(),
            "--version".into(),
            self.version.into(),
            "--out".into(),
            self.out.into(),
            "--keys".into(),
            self.keys.into(),
            "--cache".into(),
            self.cache.into(),
            "--programs".into(),
            self.programs.into(),
        ];
        if let Some(source) = self.without {
            arguments.extend(["--without-source".into(), source.into()]);
        }
        arguments
    }
}

impl Build {
    /// Reads the build in `directory`.
    ///
    /// # Errors
    /// When its description cannot be read.
    pub fn read(directory: &Path, version: &str) -> Result<Self> {
        let path = directory.join(format!("acl_{version}.json"));
        let description = serde_json::from_str(&acl_host::file::read_to_string(&path)?)
            .with_context(|| format!("cannot read the build description {}", path.display()))?;
        Ok(Self {
            version: version.to_owned(),
            directory: directory.to_owned(),
            description,
        })
    }

    /// Its disk image.
    pub fn disk(&self) -> PathBuf {
        self.directory.join(&self.description.files.disk)
    }

    /// Its unified kernel image.
    pub fn uki(&self) -> PathBuf {
        self.directory.join(&self.description.files.uki)
    }
}

/// The keys that all releases of the tests are signed with; made once.
///
/// # Errors
/// When they cannot be made.
pub fn keys() -> Result<PathBuf> {
    workspace::build()?;
    let _turn = workspace::turn("keys.lock")?;
    let keys = workspace::directory("")?.join("keys");
    reuse(&keys, &Inputs::default(), |empty| {
        Program::Image
            .command()?
            // `target/` lies in the checkout.
            .args(["keys", "init", "--in-work-tree"])
            .arg(empty)
            .stderr(std::io::stderr())
            .run()?;
        Ok(())
    })?;
    Ok(keys)
}
