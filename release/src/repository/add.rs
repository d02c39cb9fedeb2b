//! A build becomes a release of the repository: its files packed, patches from the releases before, its manifest signed.

mod again;
mod build;
mod earlier;
mod pack;
mod patches;
mod uki;

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::manifest::{Artifact, Artifacts, Manifest, Part, SCHEMA, Unpacked};
use crate::payload;
use crate::repository::documents::{LONGEST_MANIFEST, check_length};
use crate::repository::publish::{Change, Publisher};
use crate::repository::store::{Metadata, digest_of_file, to_json};
use crate::trust::roles;

use build::Build;
use patches::New;

pub use patches::Doing;

/// How much is done for nodes to fetch little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// The level of zstd for whole files, 1 to 19.
    pub level: i32,
    /// How many of the releases before get a patch.
    pub patches: usize,
    /// The level of zstd for patches, 1 to 19.
    pub patch_level: i32,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            level: payload::pack::USUAL_LEVEL,
            patches: 3,
            patch_level: payload::compare::USUAL_LEVEL,
        }
    }
}

/// A release of the repository, and what adding it has changed.
#[derive(Debug)]
pub struct Added {
    /// What the repository says of the release.
    pub manifest: Manifest,
    /// What was done.
    pub outcome: Outcome,
}

/// What adding a build has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The release is new.
    New,
    /// The release was there; so many of its files were damaged or missing and are whole again.
    Mended(usize),
    /// The release was there, whole.
    Unchanged,
}

impl Publisher {
    /// Adds a build: the directory, or the description in it when it holds several.
    ///
    /// What the repository has, whole, is not packed again, and chunks of it are not compressed again. Nodes see nothing
    /// of it before it is promoted. `tell` is called before each file, and when one is packed.
    ///
    /// # Errors
    /// [`Build`](crate::Error::Build) when the build is not whole; [`ReleaseExists`](crate::Error::ReleaseExists) when the
    /// version is taken by other content; [`DocumentTooLong`](crate::Error::DocumentTooLong) when nodes would not read its
    /// manifest; [`VersionCase`](crate::Error::VersionCase) when it is taken but for upper and
    /// lower case; [`ForeignImage`](crate::Error::ForeignImage) when the repository is of another image;
    /// [`NotMended`](crate::Error::NotMended) when the release is damaged and this effort does not give the same bytes
    /// again; those of keys and files.
    pub fn add(
        &self,
        build: &Path,
        effort: &Effort,
        tell: &mut dyn FnMut(Doing<'_>),
    ) -> Result<Added> {
        let mut metadata = Metadata::load(&self.store)?;
        let build = Build::open(build)?;
        let known = self.store.manifests(&metadata)?;
        fits(&build, &known)?;
        build.check()?;
        let name = Manifest::target(&build.version, &build.arch);
        let there = known
            .iter()
            .find(|manifest| (&manifest.version, &manifest.arch) == (&build.version, &build.arch));
        if let Some(there) = there {
            return self.again(&build, (there, &known), effort, tell);
        }
        let manifest = self.pack(build, &known, effort, tell)?;
        let bytes = to_json("manifest", &manifest)?;
        check_length(
            &name,
            &bytes,
            LONGEST_MANIFEST,
            "list fewer packages in the build's description",
        )?;
        self.store.write_document(&name, &bytes)?;
        roles::list(&mut metadata.targets.signed, &name, &bytes)?;
        let targets = metadata.targets.signed.clone();
        self.publish(
            metadata,
            Change {
                targets: Some(targets),
                ..Change::default()
            },
        )?;
        Ok(Added {
            manifest,
            outcome: Outcome::New,
        })
    }

    fn pack(
        &self,
        build: Build,
        known: &[Manifest],
        effort: &Effort,
        tell: &mut dyn FnMut(Doing<'_>),
    ) -> Result<Manifest> {
        let mut artifact = |part| self.artifact(&build, part, known, effort.level, tell);
        let (usr, new_usr) = artifact(Part::Usr)?;
        let (verity, _) = artifact(Part::Verity)?;
        let (signature, _) = artifact(Part::Signature)?;
        let (uki, new_uki) = artifact(Part::Uki)?;
        let newest = known.iter().rev();
        let patches = self.patches(newest, &build, (&new_usr, &new_uki), effort, tell)?;
        Ok(Manifest {
            schema: SCHEMA,
            version: build.version,
            arch: build.arch,
            image_id: build.image_id,
            root_hash: build.root_hash,
            artifacts: Artifacts {
                usr,
                verity,
                signature,
                uki,
            },
            patches,
            packages: build.packages,
        })
    }

    /// Packs a file, unless a release has it already.
    fn artifact(
        &self,
        build: &Build,
        part: Part,
        known: &[Manifest],
        level: i32,
        tell: &mut dyn FnMut(Doing<'_>),
    ) -> Result<(Artifact, New)> {
        let (file, path) = build.file(part)?;
        let (size, sha256) = digest_of_file(file).map_err(pack::failed("read", &path))?;
        tell(Doing::Pack(part, size));
        let unpacked = match part {
            Part::Uki => pack::unpack(&self.store, &build.read(part)?)
                .map_err(pack::failed("unpack", &path))?,
            Part::Usr | Part::Verity | Part::Signature => None,
        };
        let file = file.try_clone().map_err(pack::failed("read", &path))?;
        let there = known
            .iter()
            .flat_map(|manifest| Part::ALL.map(|part| manifest.artifacts.part(part)))
            .filter(|artifact| (artifact.size, artifact.sha256) == (size, sha256))
            .find(|artifact| self.missing(&artifact.blobs()).is_none());
        if let Some(artifact) = there {
            let index = patches::read_index(&self.store, &artifact.comparable().1)?;
            let file = unpacked.map_or(file, |(_, file)| file);
            return Ok((artifact.clone(), New { file, index }));
        }
        let earlier = earlier::find(&self.store, known, build, part, level);
        let mut pack = |file: &File, expected| -> Result<_> {
            let made = pack::pack_file(&self.store, &path, file, &earlier, expected);
            let (form, packed) = made?;
            let (chunks, taken) = (packed.index.chunks().len(), packed.taken);
            tell(Doing::Packed {
                part,
                chunks,
                taken,
            });
            Ok((form, packed.index))
        };
        let (plain, index) = pack(&file, Some(sha256))?;
        let mut artifact = Artifact {
            size,
            sha256,
            index: plain.index,
            pack: plain.pack,
            unpacked: None,
        };
        let Some((inner, file)) = unpacked else {
            return Ok((artifact, New { file, index }));
        };
        let (form, index) = pack(&file, None)?;
        artifact.unpacked = Some(Unpacked {
            inner,
            index: form.index,
            pack: form.pack,
        });
        Ok((artifact, New { file, index }))
    }
}

/// Whether a build can stand beside the releases that are known.
fn fits(build: &Build, known: &[Manifest]) -> Result<()> {
    if let Some(other) = known.iter().find(|old| old.image_id != build.image_id) {
        return Err(Error::ForeignImage {
            version: build.version.clone(),
            found: build.image_id.clone(),
            holder: "the repository".to_owned(),
            expected: other.image_id.clone(),
        });
    }
    let text = build.version.as_str();
    let alike = |old: &&Manifest| {
        old.version != build.version && old.version.as_str().eq_ignore_ascii_case(text)
    };
    match known.iter().find(alike) {
        None => Ok(()),
        // A boot entry is named after its release, and lies on a FAT file system.
        Some(old) => Err(Error::VersionCase {
            version: build.version.clone(),
            there: old.version.clone(),
        }),
    }
}
