//! A release is added a second time: nothing of it may change, and what of it is damaged is made anew.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::build::Build;
use super::{Added, Doing, Effort, Outcome};
use crate::error::{Error, Result};
use crate::manifest::{Blob, Manifest, Part, PatchFrom};
use crate::repository::publish::Publisher;

impl Publisher {
    /// A release that is there, if it was made of this build and is whole, or whole again.
    pub(super) fn again(
        &self,
        build: &Build,
        (there, known): (&Manifest, &[Manifest]),
        effort: &Effort,
        tell: &mut dyn FnMut(Doing<'_>),
    ) -> Result<Added> {
        let damaged = self.damaged(there);
        let same = there.image_id == build.image_id
            && there.root_hash == build.root_hash
            && there.packages == build.packages;
        let mut compared = Vec::new();
        for part in Part::ALL {
            let (made, new) = self.artifact(build, part, known, effort.level, tell)?;
            let artifact = there.artifacts.part(part);
            if !same || (made.size, made.sha256) != (artifact.size, artifact.sha256) {
                return Err(Error::ReleaseExists {
                    version: build.version.clone(),
                    arch: build.arch.clone(),
                });
            }
            // Packed otherwise for want of a blob that this does not bring back.
            if made != *artifact
                && let Some(path) = self.missing(&artifact.blobs())
            {
                return Err(not_mended(there, part.to_string(), "--level", path));
            }
            compared.push(new);
        }
        if let [usr, .., uki] = compared.as_slice() {
            for patch in &there.patches {
                if self.missing(&patch.blobs()).is_none() {
                    continue;
                }
                // It is made however many a new release would get.
                let one = Effort {
                    patches: 1,
                    ..*effort
                };
                let old = known.iter().filter(|old| old.version == patch.version);
                self.patches(old, build, (usr, uki), &one, tell)?;
                if let Some(path) = self.missing(&patch.blobs()) {
                    let what = format!("the patch from {}", patch.version);
                    return Err(not_mended(there, what, "--patch-level", path));
                }
            }
        }
        Ok(Added {
            manifest: there.clone(),
            outcome: match damaged {
                0 => Outcome::Unchanged,
                damaged => Outcome::Mended(damaged),
            },
        })
    }

    /// How many of a release's blobs the repository does not have, or not whole.
    fn damaged(&self, release: &Manifest) -> usize {
        let artifacts = Part::ALL.map(|part| release.artifacts.part(part).blobs());
        let patches = release.patches.iter().flat_map(PatchFrom::blobs);
        // Two artifacts may share one.
        let blobs: BTreeMap<_, _> = artifacts
            .into_iter()
            .flatten()
            .chain(patches)
            .map(|blob| (blob.sha256, blob))
            .collect();
        blobs.values().filter(|blob| !self.store.has(blob)).count()
    }

    /// The first blob that the repository does not have, or not whole.
    pub(super) fn missing(&self, blobs: &[Blob]) -> Option<PathBuf> {
        let missing = blobs.iter().find(|blob| !self.store.has(blob));
        missing.map(|blob| self.store.blob(&blob.sha256))
    }
}

fn not_mended(there: &Manifest, what: String, option: &'static str, path: PathBuf) -> Error {
    Error::NotMended {
        what,
        version: there.version.clone(),
        option,
        path,
    }
}
