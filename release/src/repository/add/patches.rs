//! Patches from the releases before: an old artifact is made again from its own pack, and the new one compared with it.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use acl_host::file;
use acl_host::verity::ReadAt;

use super::Effort;
use super::build::Build;
use super::pack::{Written, failed, put, write};
use crate::digest::Digest;
use crate::error::Result;
use crate::manifest::{Artifact, ArtifactPatch, Base, Blob, Form, Manifest, Part, PatchFrom};
use crate::payload::compare::{Compared, Side, compare};
use crate::payload::frame;
use crate::payload::index::Index;
use crate::repository::publish::Publisher;
use crate::repository::store::Store;
use crate::version::Version;

/// A new artifact in the form that is compared, and its chunks.
#[derive(Debug)]
pub(super) struct New {
    pub(super) file: File,
    pub(super) index: Index,
}

/// What is being done.
#[derive(Debug, Clone, Copy)]
pub enum Doing<'a> {
    /// A file of so many bytes is packed.
    Pack(Part, u64),
    /// It is packed: so many of its chunks were taken from older packs, the others compressed.
    Packed {
        /// The file.
        part: Part,
        /// Its chunks.
        chunks: usize,
        /// Those taken.
        taken: usize,
    },
    /// A file is compared with that of an older release.
    Compare(Part, &'a Version),
}

impl Publisher {
    /// The patches from the first of `known` that a node may come from; newest first.
    pub(super) fn patches<'a>(
        &self,
        known: impl Iterator<Item = &'a Manifest>,
        build: &Build,
        new: (&New, &New),
        effort: &Effort,
        tell: &mut dyn FnMut(Doing<'_>),
    ) -> Result<Vec<PatchFrom>> {
        let older = known.filter(|old| {
            old.image_id == build.image_id
                && old.arch == build.arch
                && old.version < build.version
                && old.root_hash != build.root_hash
        });
        let patch = |old: &Manifest| {
            tell(Doing::Compare(Part::Usr, &old.version));
            let usr = patch(&self.store, &old.artifacts.usr, new.0, effort.patch_level)?;
            tell(Doing::Compare(Part::Uki, &old.version));
            let uki = patch(&self.store, &old.artifacts.uki, new.1, effort.patch_level)?;
            Ok(PatchFrom {
                version: old.version.clone(),
                root_hash: old.root_hash,
                usr,
                uki,
            })
        };
        older.take(effort.patches).map(patch).collect()
    }
}

impl Written for Compared {
    fn blob(&self) -> Blob {
        Blob {
            sha256: self.pack_sha256,
            size: self.pack_size,
        }
    }
}

fn patch(store: &Store, old: &Artifact, new: &New, level: i32) -> Result<ArtifactPatch> {
    let (inner, form) = old.comparable();
    let path = store.blob(&form.pack.sha256);
    let index = read_index(store, &form)?;
    let file = restore(store, &form, &index).map_err(failed("unpack", &path))?;
    let (old_side, new_side) = (
        Side {
            file: &file,
            index: &index,
        },
        Side {
            file: &new.file,
            index: &new.index,
        },
    );
    let made = write(store, |out| compare(&old_side, &new_side, out, level));
    let (compared, pack) = made.map_err(failed("compare with", &path))?;
    let described = compared.patch.format();
    let described = described.map_err(failed("describe the patch from", &path))?;
    Ok(ArtifactPatch {
        base: Base {
            size: old.size,
            sha256: old.sha256,
            inner: inner.to_vec(),
        },
        index: put(store, &described)?,
        pack,
    })
}

/// The chunks of a form that the repository has.
pub(super) fn read_index(store: &Store, form: &Form) -> Result<Index> {
    let path = store.blob(&form.index.sha256);
    let bytes = file::read(&path)?;
    Index::parse(&bytes, form).map_err(|problem| failed("read", &path)(io::Error::other(problem)))
}

/// An artifact made from its chunks; a file without a name.
fn restore(store: &Store, form: &Form, index: &Index) -> io::Result<File> {
    let pack = File::open(store.blob(&form.pack.sha256))?;
    let mut out = BufWriter::new(tempfile::tempfile_in(store.dir())?);
    let (mut frame, mut plain) = (Vec::new(), Vec::new());
    for (number, chunk) in index.chunks().iter().enumerate() {
        frame.resize(chunk.packed as usize, 0);
        plain.resize(chunk.length as usize, 0);
        pack.read_exact_at(&mut frame, chunk.offset)?;
        frame::unpack(&frame, b"", &mut plain)?;
        if Digest::of(&plain) != chunk.sha256 {
            let problem = format!("chunk {number} is damaged; restore the file from a copy");
            return Err(io::Error::other(problem));
        }
        out.write_all(&plain)?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)
}
