//! Everything that can go wrong in a build, and who must act on it.

use std::io;
use std::path::PathBuf;

use acl_host::Who;
use jiff::Timestamp;

use crate::pe::PeError;
use crate::recipe::{Place, Size};

/// A failed action of the builder, named for the action.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say it, and the fields are what they name"
)]
pub enum Error {
    #[error(transparent)]
    Host(#[from] acl_host::Error),

    // Recipes and locks
    #[error("{place}cannot read the recipe {}", path.display())]
    ReadRecipe {
        /// Of the line that names it and a colon, if a recipe does.
        place: String,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{place}: {reason}{snippet}")]
    ParseRecipe {
        place: Place,
        reason: String,
        snippet: String,
    },
    #[error("{place}: {reason}")]
    Recipe { place: Place, reason: String },
    #[error("{} is the {depth}th recipe that another extends: do two extend each other?", path.display())]
    ExtendsTooDeep { path: PathBuf, depth: usize },
    #[error("the recipe {} has no source {name}", recipe.display())]
    UnknownSource { name: String, recipe: PathBuf },
    #[error("{} cannot be built without the source {name}: {reason}", recipe.display())]
    WithoutSource {
        name: String,
        recipe: PathBuf,
        reason: String,
    },
    #[error("cannot read the lock {}", path.display())]
    ReadLock { path: PathBuf, source: io::Error },
    #[error("{} is not a lock of acl-image", path.display())]
    ParseLock {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("the lock {} was not made for {}: {reason}; build once without --locked to make a new one", lock.display(), recipe.display())]
    LockMismatch {
        lock: PathBuf,
        recipe: PathBuf,
        reason: String,
    },
    #[error("cannot write a document")]
    WriteDocument(#[source] serde_json::Error),

    // Archives
    #[error(
        "this machine's apt sources name no mirror for {source_name}: name one in the recipe (`mirror`) or with --mirror {source_name}=URL"
    )]
    NoMirror { source_name: String },
    #[error(
        "cannot read the archives {archives}: one cannot be reached, or is not signed by its keyring"
    )]
    ReadArchive {
        archives: String,
        source: acl_host::Error,
    },
    #[error("apt keeps no index of {source_name} with a date that can be read")]
    ReadDate { source_name: String },
    #[error("the archive {archive} is of {found}, and the lock {} was made of one of {least}: its mirror is behind or withholds updates; take another one with --mirror", lock.display())]
    OlderArchive {
        archive: String,
        found: Timestamp,
        least: Timestamp,
        lock: PathBuf,
    },
    #[error("the lock {} does not say when its archives were made, so --after has nothing to compare: build once without --locked and --after to make one that does", lock.display())]
    NoDates { lock: PathBuf },
    #[error(
        "{place}: the package {package} is in none of the archives {archives}: correct its name, or add the archive that has it"
    )]
    NoSuchPackage {
        package: String,
        place: Place,
        archives: String,
    },
    #[error("the packages of {} cannot be installed together", recipe.display())]
    Resolve {
        recipe: PathBuf,
        source: acl_host::Error,
    },
    #[error("{place}: {package} is omitted, but no package depends on it: remove the line")]
    UselessOmission { package: String, place: Place },
    #[error(
        "apt-get lists nothing for {packages} and reports no error, which is a bug of it or of acl-image: report it with the version of apt"
    )]
    NothingListed { packages: String },
    #[error("apt-get said something unexpected: {line}")]
    ReadUris { line: String },
    #[error(
        "packages cannot be fetched; where the lock is older than the mirror, name one that still has them with --mirror"
    )]
    Fetch { source: acl_host::Error },
    #[error("the mirror sent something else for {package}: its SHA-256 is {found}, not {expected}")]
    OtherPackage {
        package: String,
        expected: String,
        found: String,
    },
    #[error("{} is damaged: remove it, so that it is fetched again", path.display())]
    DamagedPackage { path: PathBuf },
    #[error("cannot make the directory {}", path.display())]
    MakeDirectory { path: PathBuf, source: io::Error },

    // Trees
    #[error("the package {package} cannot be unpacked: {reason}")]
    Unpack { package: String, reason: String },
    #[error("{place}: the package {package} has no file {file}")]
    NoFileToTake {
        place: Place,
        package: String,
        file: String,
    },

    // The request
    #[error("the version may hold letters, digits and the characters `.`, `^`, `~` and `-`")]
    Version { source: acl_host::Error },
    #[error("there is no program {}: build it first (`cargo build --release`), or name its directory with --programs", path.display())]
    NoProgram { path: PathBuf },
    #[error(
        "/usr takes {size} of its slot of {slot}, and a quarter must stay free for later releases: set image.usr to {needed} or more, or leave packages out"
    )]
    SlotTooSmall {
        size: Size,
        slot: Size,
        needed: Size,
    },

    // Keys
    #[error("cannot read the key file {}: make a set of keys with `acl-image keys init`, or give another directory", path.display())]
    ReadKey { path: PathBuf, source: io::Error },
    #[error("{} is there without {}: put the missing file back, or move the other away to have a new pair made", there.display(), missing.display())]
    HalfPair { there: PathBuf, missing: PathBuf },
    #[error("{} is not {expected} in PEM: {reason}", path.display())]
    ParseKey {
        path: PathBuf,
        expected: &'static str,
        reason: String,
    },
    #[error("the key {} does not belong to the certificate {}: put back the file that was exchanged, or move both away and run `acl-image keys init`", key.display(), certificate.display())]
    KeyMismatch { key: PathBuf, certificate: PathBuf },
    #[error("the certificate {} is valid from {from} to {until} only: firmware may refuse what it signs; renew it (and enrol the new one)", path.display())]
    OutOfValidity {
        path: PathBuf,
        from: String,
        until: String,
    },
    #[error("cannot make the key {name}: {reason}")]
    GenerateKey { name: String, reason: String },

    // EFI programs
    #[error("systemd's stub for unified kernel images cannot be used")]
    ReadStub(#[source] PeError),
    #[error("the kernel cannot be used")]
    ReadKernel(#[source] PeError),
    #[error("cannot make the unified kernel image")]
    AddSection(#[source] PeError),
    #[error("the EFI program cannot be signed")]
    SignProgram(#[source] PeError),
    #[error("cannot encode the signature")]
    EncodeSignature(#[source] der::Error),
    #[error("the key cannot sign: {reason}")]
    Sign { reason: String },

    // The tree
    #[error("cannot change {} in the composed tree", path.display())]
    ChangeTree { path: PathBuf, source: io::Error },
    #[error("the composed tree has no {}, which is needed for {needed_for}: correct the recipe", path.display())]
    TreeLacks {
        path: PathBuf,
        needed_for: &'static str,
        source: io::Error,
    },
    #[error("the composed tree must hold one kernel and holds {} ({}): correct the recipe's packages", found.len(), found.join(", "))]
    NotOneKernel { found: Vec<String> },
    #[error("the composed tree has no library {name}, which {} needs: add the package that holds it to the recipe", wanted_by.display())]
    NoLibrary { name: String, wanted_by: PathBuf },
    #[error("kernel {version} has no module {name}: correct [initrd] modules in the recipe")]
    NoModule { name: String, version: String },
    #[error("cannot read the program {}", path.display())]
    ReadElf {
        path: PathBuf,
        source: object::read::Error,
    },
    #[error("{} has {size} bytes, more than an initrd can hold", path.display())]
    InitrdFileTooLarge { path: PathBuf, size: usize },
    #[error("cannot compress the initrd")]
    CompressInitrd { source: io::Error },

    // Disks in files
    #[error("cannot write the image {}", path.display())]
    WriteImage { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    ReadInput { path: PathBuf, source: io::Error },
    #[error("{} has {len} bytes, and the partition {partition} of {size} bytes must keep a quarter free: raise its size in the recipe", path.display())]
    PartitionTooSmall {
        partition: &'static str,
        path: PathBuf,
        len: u64,
        size: u64,
    },
    #[error(
        "the partition {partition} of {size} bytes is not a whole number of MiB: change its size in the recipe"
    )]
    PartitionSize { partition: &'static str, size: u64 },
    #[error("cannot lay out the partitions of {}: {reason}", path.display())]
    LayOut { path: PathBuf, reason: String },
}

impl Error {
    /// Who must act.
    #[must_use]
    pub fn who(&self) -> Who {
        match self {
            Self::Host(error) => error.who(),
            Self::ReadRecipe { .. }
            | Self::ParseRecipe { .. }
            | Self::Recipe { .. }
            | Self::ExtendsTooDeep { .. }
            | Self::UnknownSource { .. }
            | Self::WithoutSource { .. }
            | Self::ReadLock { .. }
            | Self::ParseLock { .. }
            | Self::LockMismatch { .. }
            | Self::NoDates { .. }
            | Self::NoMirror { .. }
            | Self::NoSuchPackage { .. }
            | Self::Resolve { .. }
            | Self::UselessOmission { .. }
            | Self::Unpack { .. }
            | Self::Version { .. }
            | Self::NoProgram { .. }
            | Self::SlotTooSmall { .. }
            | Self::NoFileToTake { .. }
            | Self::ReadKey { .. }
            | Self::HalfPair { .. }
            | Self::ParseKey { .. }
            | Self::KeyMismatch { .. }
            | Self::OutOfValidity { .. }
            | Self::ReadStub(_)
            | Self::ReadKernel(_)
            | Self::SignProgram(_)
            | Self::TreeLacks { .. }
            | Self::NotOneKernel { .. }
            | Self::NoLibrary { .. }
            | Self::NoModule { .. }
            | Self::InitrdFileTooLarge { .. }
            | Self::PartitionTooSmall { .. }
            | Self::PartitionSize { .. } => Who::Operator,
            Self::ReadArchive { .. }
            | Self::ReadDate { .. }
            | Self::OlderArchive { .. }
            | Self::Fetch { .. }
            | Self::OtherPackage { .. } => Who::Server,
            Self::DamagedPackage { .. }
            | Self::MakeDirectory { .. }
            | Self::ChangeTree { .. }
            | Self::ReadElf { .. }
            | Self::CompressInitrd { .. }
            | Self::WriteImage { .. }
            | Self::ReadInput { .. } => Who::Environment,
            Self::WriteDocument(_)
            | Self::NothingListed { .. }
            | Self::ReadUris { .. }
            | Self::GenerateKey { .. }
            | Self::AddSection(_)
            | Self::EncodeSignature(_)
            | Self::Sign { .. }
            | Self::LayOut { .. } => Who::Bug,
        }
    }
}
