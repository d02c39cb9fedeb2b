//! A release's manifest: what the release consists of.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::version::Version;

/// The form of the document that this code writes and reads.
pub const SCHEMA: u32 = 1;

/// The document `releases/<version>/<arch>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`]; a reader refuses any other.
    pub schema: u32,
    /// The release's version, the same as in the document's name.
    pub version: Version,
    /// The architecture as systemd names it (`x86-64`), the same as in the document's name.
    pub arch: String,
    /// `IMAGE_ID` of os-release; a node takes only releases of its own.
    pub image_id: String,
    /// The verity root hash of the usr partition.
    pub root_hash: Digest,
    /// The files.
    pub artifacts: Artifacts,
    /// The packages that the image was composed of, sorted by name.
    pub packages: Vec<Package>,
}

/// The files of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifacts {
    /// The usr file system (erofs).
    pub usr: Artifact,
    /// Its verity hash tree.
    pub verity: Artifact,
    /// The signature of the root hash, as the JSON document of UAPI.2.
    pub signature: Artifact,
    /// The signed unified kernel image.
    pub uki: Artifact,
}

/// Names one of a release's artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// [`Artifacts::usr`]
    Usr,
    /// [`Artifacts::verity`]
    Verity,
    /// [`Artifacts::signature`]
    Signature,
    /// [`Artifacts::uki`]
    Uki,
}

/// One file of a release and how it is transported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The file's size in bytes.
    pub size: u64,
    /// The file's digest.
    pub sha256: Digest,
    /// The list of its chunks: JSON, compressed by zstd; see [`crate::payload::index`].
    pub index: Blob,
    /// The chunks, each compressed by zstd, one behind the other.
    pub pack: Blob,
}

/// A file `blobs/<sha256>` of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Its digest and name.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A package of the distribution that is in the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// The binary package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub arch: String,
}

impl Manifest {
    /// The TUF target that is the manifest of a release.
    pub fn target(version: &Version, arch: &str) -> String {
        format!("releases/{version}/{arch}.json")
    }

    /// The bytes a node would fetch that has nothing of the release.
    pub fn download_size(&self) -> u64 {
        Part::ALL
            .iter()
            .map(|part| self.artifacts.part(*part))
            .fold(0, |sum: u64, artifact| {
                sum.saturating_add(artifact.index.size)
                    .saturating_add(artifact.pack.size)
            })
    }
}

impl Artifacts {
    /// The artifact of a name.
    pub fn part(&self, part: Part) -> &Artifact {
        match part {
            Part::Usr => &self.usr,
            Part::Verity => &self.verity,
            Part::Signature => &self.signature,
            Part::Uki => &self.uki,
        }
    }
}

impl Part {
    /// All of them, in the order in which an update writes them.
    pub const ALL: [Part; 4] = [Part::Usr, Part::Verity, Part::Signature, Part::Uki];

    /// The name as it stands in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Usr => "usr",
            Part::Verity => "verity",
            Part::Signature => "signature",
            Part::Uki => "uki",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
