//! A build becomes a release of the repository: its files packed, patches from the releases before, its manifest signed.

mod again;
mod build;
mod earlier;
mod pack;
mod patches;

use std::fs::File;
use std::path::Path;

use crate::error::Result;
use crate::manifest::{Artifact, Artifacts, Manifest, Part, SCHEMA, Unpacked};
use crate::payload;
use crate::repository::publish::{Change, Publisher};
use crate::repository::store::{Metadata, digest, to_json};
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

impl Publisher {
    /// Adds a build: the directory, or the description in it when it holds several. Returns the release's manifest.
    ///
    /// What the repository has, whole, is not packed again, and chunks of it are not compressed again. Nodes see nothing
    /// of it before it is promoted. `tell` is called before each file, and when one is packed.
    ///
    /// # Errors
    /// [`Build`](crate::Error::Build) when the build is not whole; [`ReleaseExists`](crate::Error::ReleaseExists) when the
    /// version is taken by other content; [`NotMended`](crate::Error::NotMended) when it is damaged and this effort does
    /// not give the same bytes again; those of keys and files.
    pub fn add(
        &self,
        build: &Path,
        effort: &Effort,
        tell: &mut dyn FnMut(Doing<'_>),
    ) -> Result<Manifest> {
        let mut metadata = Metadata::load(&self.store)?;
        let (dir, mut build) = build::find(build)?;
        build::check_verity(&dir, &build)?;
        build.packages.sort();
        let known = self.store.manifests(&metadata)?;
        let name = Manifest::target(&build.version, &build.arch);
        let there = known
            .iter()
            .find(|manifest| (&manifest.version, &manifest.arch) == (&build.version, &build.arch));
        if let Some(there) = there {
            return self.again(&dir, &build, (there, &known), effort, tell);
        }
        let manifest = self.pack(&dir, build, &known, effort, tell)?;
        let bytes = to_json("manifest", &manifest)?;
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
        Ok(manifest)
    }

    fn pack(
        &self,
        dir: &Path,
        build: Build,
        known: &[Manifest],
        effort: &Effort,
        tell: &mut dyn FnMut(Doing<'_>),
    ) -> Result<Manifest> {
        let mut artifact = |part| self.artifact(dir, &build, part, known, effort.level, tell);
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
        dir: &Path,
        build: &Build,
        part: Part,
        known: &[Manifest],
        level: i32,
        tell: &mut dyn FnMut(Doing<'_>),
    ) -> Result<(Artifact, New)> {
        let path = build::file_of(dir, build, part)?;
        let (size, sha256) = digest(&path)?;
        tell(Doing::Pack(part, size));
        let unpacked = match part {
            Part::Uki => pack::unpack(&self.store, &path)?,
            Part::Usr | Part::Verity | Part::Signature => None,
        };
        let file = File::open(&path).map_err(pack::failed("read", &path))?;
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
