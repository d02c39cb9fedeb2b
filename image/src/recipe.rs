//! The recipe: what an image is made of, as a person wrote it down.
//!
//! A recipe goes through three forms: as written (one TOML file each), merged (a variant `extends` another
//! recipe), and checked. Only the checked form, [`Recipe`], leaves this module.

mod check;
mod merge;
mod place;
mod size;
mod written;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;
use crate::oci::Reference;

pub use place::{Named, Place};
pub use size::Size;

/// A checked recipe.
///
/// Every reference to a source names one that exists, every path is free of `..`, and files on the build host are
/// relative to the recipe that named them.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The file that was read (the variant, if it extends another).
    pub file: PathBuf,
    /// The recipe at the bottom of `extends`; `file` where it extends none.
    pub base: PathBuf,
    /// `IMAGE_ID` of os-release; the first part of every file name of a build.
    pub id: String,
    /// The sizes of the partitions.
    pub partitions: Partitions,
    /// How ROOT is encrypted.
    pub encryption: Encryption,
    /// Where packages come from.
    pub sources: Vec<Source>,
    /// What is laid into the tree as packages.
    pub packages: Packages,
    /// Single files out of packages of any source, without their dependencies.
    pub takes: Vec<Take>,
    /// What is left out of the composed tree.
    pub removals: Vec<Removal>,
    /// File trees of the build host that are laid over the packages, in this order.
    pub layers: Vec<Layer>,
    /// Own programs that are laid in.
    pub programs: Vec<Program>,
    /// Container images that are made of the composed tree, each with a name of its own.
    pub containers: Vec<Container>,
    /// The kernel command line, without `usrhash=`, which the build adds.
    pub command_line: Vec<String>,
    /// What goes into the initrd.
    pub initrd: Initrd,
    /// What the tools trees are made of.
    pub tools: Tools,
}

/// The sizes of the partitions, in bytes, each a whole number of MiB. Both slots have the same sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions {
    /// EFI system partition.
    pub esp: u64,
    /// A slot's usr partition.
    pub usr: u64,
    /// A slot's verity partition.
    pub verity: u64,
    /// A slot's signature partition.
    pub signature: u64,
    /// The least that ROOT may have; the disk image leaves that room.
    pub root: u64,
}

/// How the first boot encrypts ROOT. An existing ROOT is left as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Not at all.
    #[default]
    Off,
    /// LUKS2, with a key that the machine's TPM 2.0 gives out as long as Secure Boot trusts the same keys (PCR 7).
    Tpm2,
}

/// One suite of a Debian archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name by which the recipe and the lock refer to it.
    pub name: String,
    /// Suite or code name, such as `trixie-security`.
    pub suite: String,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// The keys that may sign the suite.
    pub keyring: PathBuf,
    /// The archive's URL; `None` stands for the mirror that the build host itself uses.
    pub mirror: Option<String>,
    /// Why indexes past their `Valid-Until` are taken (a suite that is not refreshed, a snapshot); `None`: they are not.
    pub accept_expired: Option<String>,
}

/// What is laid into the tree as packages.
#[derive(Debug, Clone)]
pub struct Packages {
    /// The sources that are searched, by name.
    pub from: Vec<String>,
    /// The packages asked for; their dependencies come with them.
    pub install: Vec<Named>,
    /// Packages that come as dependencies and are not laid in.
    pub omit: Vec<Omission>,
}

/// A package that dependencies ask for and the image does without.
#[derive(Debug, Clone)]
pub struct Omission {
    /// The package's name.
    pub package: Named,
    /// Why the image does without it.
    pub reason: String,
}

/// Single files out of one package.
#[derive(Debug, Clone)]
pub struct Take {
    /// The source that holds the package, by name.
    pub source: String,
    /// The package's name.
    pub package: Named,
    /// Paths in the package, without a leading slash.
    pub files: Vec<String>,
    /// Why it is taken from there.
    pub reason: String,
}

/// Paths that are removed from the composed tree.
#[derive(Debug, Clone)]
pub struct Removal {
    /// Glob over paths without a leading slash: `*` and `?` within a name, `**` over any number of names. What is
    /// below a matching directory goes with it.
    pub pattern: Named,
    /// Why it is not in the image.
    pub reason: String,
}

/// A file tree of the build host.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The directory.
    pub path: PathBuf,
    /// Why it deviates from what the packages bring.
    pub reason: String,
}

/// An own program.
#[derive(Debug, Clone)]
pub struct Program {
    /// Name of its file in the directory that `--programs` names.
    pub name: String,
    /// Where it goes in the tree, without a leading slash.
    pub path: String,
}

/// A container image that comes with the image.
#[derive(Debug, Clone)]
pub struct Container {
    /// Under which name the node's container runtime finds it.
    pub reference: Reference,
    /// The program in the composed tree, without a leading slash; linked statically.
    pub program: Named,
    /// Where the program lies in the container, an absolute path, and its arguments.
    pub entrypoint: Vec<String>,
}

/// What goes into the initrd.
#[derive(Debug, Clone, Default)]
pub struct Initrd {
    /// Files of the composed tree, without a leading slash.
    pub files: Vec<String>,
    /// Programs and libraries out of the tree; the shared libraries that they need come with them.
    pub programs: Vec<String>,
    /// systemd units out of the tree.
    pub units: Vec<String>,
    /// Kernel modules, by name; the modules that they need come with them.
    pub modules: Vec<String>,
    /// File trees of the build host that are laid over.
    pub layers: Vec<Layer>,
}

/// What the tools trees are made of: the programs that build an image, and those that test one.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The sources that are searched, by name.
    pub from: Vec<String>,
    /// Packages for building.
    pub build: Vec<Named>,
    /// Packages that only the tests need, on top of those for building.
    pub test: Vec<Named>,
}

impl Recipe {
    /// Reads the recipe and those that it extends, and checks it.
    ///
    /// # Errors
    /// [`Error::ReadRecipe`] when a file cannot be read; [`Error::ParseRecipe`] for TOML that is malformed or holds a key
    /// that does not exist; [`Error::Recipe`] for everything that does not fit together.
    pub fn read(path: &Path) -> Result<Self, Error> {
        check::check(path, merge::read(path)?)
    }

    /// The source called `name`.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// Builds without the source `name`: as if the archive did not have it.
    ///
    /// # Errors
    /// [`Error::WithoutSource`] if there is no such source, or if packages or tools would have none left, or if a
    /// single file is taken from it.
    pub fn without_source(&mut self, name: &str) -> Result<(), Error> {
        let refuse = |reason: &str| Error::WithoutSource {
            name: name.to_owned(),
            recipe: self.file.clone(),
            reason: reason.to_owned(),
        };
        let names: Vec<&str> = self
            .sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        if self.source(name).is_none() {
            return Err(refuse(&format!("it has only {}", names.join(", "))));
        }
        if self.takes.iter().any(|take| take.source == name) {
            return Err(refuse("files are taken from it"));
        }
        if self.packages.from == [name] || self.tools.from == [name] {
            return Err(refuse("nothing would be left to take packages from"));
        }
        self.sources.retain(|source| source.name != name);
        self.packages.from.retain(|source| source != name);
        self.tools.from.retain(|source| source != name);
        Ok(())
    }

    /// Takes the source `name` from `url` instead of the host's mirror.
    ///
    /// # Errors
    /// [`Error::UnknownSource`] if there is no such source.
    pub fn set_mirror(&mut self, name: &str, url: &str) -> Result<(), Error> {
        let source = self.sources.iter_mut().find(|source| source.name == name);
        let source = source.ok_or_else(|| Error::UnknownSource {
            name: name.to_owned(),
            recipe: self.file.clone(),
        })?;
        source.mirror = Some(url.trim_end_matches('/').to_owned());
        Ok(())
    }
}
