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
    /// Older releases that have a patch to this one, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<PatchFrom>,
    /// The packages that the image was composed of, sorted by name.
    pub packages: Vec<Package>,
}

/// What leads from an older release to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchFrom {
    /// The older release.
    pub version: Version,
    /// Its root hash, by which a node knows that it runs it.
    pub root_hash: Digest,
    /// For [`Artifacts::usr`].
    pub usr: ArtifactPatch,
    /// For [`Artifacts::uki`].
    pub uki: ArtifactPatch,
}

/// What makes an artifact of an older release's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactPatch {
    /// The older artifact.
    pub base: Base,
    /// The list of its steps: JSON, compressed by zstd; see [`crate::payload::patch`].
    pub index: Blob,
    /// What is new, compressed against the older artifact.
    pub pack: Blob,
}

/// An older artifact, unpacked as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The file's size in bytes.
    pub size: u64,
    /// The file's digest.
    pub sha256: Digest,
    /// What of it is unpacked before it is compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<Inner>,
}

/// A zstd frame within a file. It travels as what it unpacks to, so that little changes when little has changed, and is
/// compressed again by the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inner {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes in the file.
    pub packed: u64,
    /// Its bytes unpacked.
    pub plain: u64,
    /// The level that gives the same frame again.
    pub level: i32,
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
    /// The same with what is compressed inside it unpacked, which is what patches are made for; none when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpacked: Option<Unpacked>,
}

/// A file with what is compressed inside it unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// What is unpacked, in the order of the file.
    pub inner: Vec<Inner>,
    /// As [`Artifact::index`].
    pub index: Blob,
    /// As [`Artifact::pack`].
    pub pack: Blob,
}

/// A form in which an artifact travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Its size in bytes, when it has arrived.
    pub size: u64,
    /// The list of its chunks.
    pub index: Blob,
    /// The chunks.
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

    /// The patches from the release that a node runs.
    pub fn patch_from(&self, root_hash: &Digest) -> Option<&PatchFrom> {
        self.patches
            .iter()
            .find(|patch| patch.root_hash == *root_hash)
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

impl Manifest {
    /// The bytes a node fetches that runs an older release: the tree over `/usr` it makes itself.
    pub fn patched_size(&self, from: &PatchFrom) -> u64 {
        let parts = &self.artifacts;
        let patch = |artifact: &Artifact, patch: &ArtifactPatch| {
            [artifact.comparable().1.index, patch.index, patch.pack]
        };
        let signature = [parts.signature.index, parts.signature.pack];
        patch(&parts.usr, &from.usr)
            .iter()
            .chain(&patch(&parts.uki, &from.uki))
            .chain(&signature)
            .fold(0, |sum: u64, blob| sum.saturating_add(blob.size))
    }
}

impl Artifact {
    /// As it is on the disk.
    pub fn plain(&self) -> Form {
        Form {
            size: self.size,
            index: self.index,
            pack: self.pack,
        }
    }

    /// As patches are made for it: what there is to unpack, and the form.
    pub fn comparable(&self) -> (&[Inner], Form) {
        match &self.unpacked {
            Some(Unpacked { inner, index, pack }) => (
                inner,
                Form {
                    size: unpacked_size(self.size, inner),
                    index: *index,
                    pack: *pack,
                },
            ),
            None => (&[], self.plain()),
        }
    }

    /// The blobs of its forms.
    pub(crate) fn blobs(&self) -> Vec<Blob> {
        let unpacked = self.unpacked.iter();
        let unpacked = unpacked.flat_map(|unpacked| [unpacked.index, unpacked.pack]);
        [self.index, self.pack]
            .into_iter()
            .chain(unpacked)
            .collect()
    }
}

impl Base {
    /// Its bytes as it is compared.
    pub fn unpacked_size(&self) -> u64 {
        unpacked_size(self.size, &self.inner)
    }
}

/// What a file has in bytes when its frames are unpacked. A document that lies gives a number that fits nothing.
fn unpacked_size(size: u64, inner: &[Inner]) -> u64 {
    inner.iter().fold(size, |size, inner| {
        size.saturating_sub(inner.packed)
            .saturating_add(inner.plain)
    })
}

impl PatchFrom {
    /// The blobs of its patches.
    pub(crate) fn blobs(&self) -> [Blob; 4] {
        let (usr, uki) = (&self.usr, &self.uki);
        [usr.index, usr.pack, uki.index, uki.pack]
    }

    /// The patch of an artifact, for those that have one.
    pub fn part(&self, part: Part) -> Option<&ArtifactPatch> {
        match part {
            Part::Usr => Some(&self.usr),
            Part::Uki => Some(&self.uki),
            Part::Verity | Part::Signature => None,
        }
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
