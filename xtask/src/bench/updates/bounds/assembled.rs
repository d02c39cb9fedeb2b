//! `/usr` and the kernel image made as a node makes them, of the old ones and the patch, and thrown away: no network, no
//! disk to write to.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use acl_host::file;
use acl_host::verity::ReadAt;
use acl_release::digest::Digester;
use acl_release::manifest::{Artifact, ArtifactPatch, Form, Manifest, Part};
use acl_release::payload::assemble::{Assembly, Readable, Sink};
use acl_release::payload::index::Index;
use acl_release::payload::inner;
use acl_release::payload::patch::Patch;
use acl_release::payload::plan::{self, Task};
use acl_release::repository::store::{Metadata, Store};
use anyhow::{Context, Result, anyhow, ensure};

use crate::bench::updates::pair::Sides;

/// Seconds on one processor, each chunk compared with its digest.
pub(super) fn assembled(repository: &Path, sides: &Sides) -> Result<f64> {
    let store = Store::new(repository);
    let manifest = manifest(&store, &sides.new.version)?;
    let patch = manifest.patch_from(&sides.old.description.root_hash.parse()?);
    let mut seconds = 0.0;
    for part in [Part::Usr, Part::Uki] {
        let making = Making {
            artifact: manifest.artifacts.part(part),
            patch: patch.and_then(|patch| patch.part(part)),
        };
        seconds += making.seconds(&store, &sides.old.file(part.as_str())?)?;
    }
    Ok(seconds)
}

/// A part of the release, and what leads to it from the old one.
struct Making<'a> {
    artifact: &'a Artifact,
    patch: Option<&'a ArtifactPatch>,
}

impl Making<'_> {
    fn seconds(&self, store: &Store, old: &Path) -> Result<f64> {
        let form = match self.patch {
            Some(_) => self.artifact.comparable().1,
            None => self.artifact.plain(),
        };
        let index = Index::parse(&file::read(store.blob(&form.index.sha256))?, &form)?;
        let (tasks, pack) = self.tasks(store, &index, &form)?;
        let start = Instant::now();
        match self.patch {
            Some(patch) if !self.artifact.comparable().0.is_empty() => {
                let made = tempfile::tempfile()?;
                let sink = Box::new(Place(made.try_clone()?));
                carry_out(index, &tasks, &pack, Arc::new(unpacked(patch, old)?), sink)?;
                self.press(made)?;
            }
            _ => {
                let old = Arc::new(File::open(old)?);
                carry_out(index, &tasks, &pack, old, Box::new(Nowhere))?;
            }
        }
        Ok(start.elapsed().as_secs_f64())
    }

    /// What a node of the old release does, and the pack it needs.
    fn tasks(&self, store: &Store, index: &Index, form: &Form) -> Result<(Vec<Task>, File)> {
        let wanted = vec![true; index.chunks().len()];
        let (tasks, pack) = match self.patch {
            Some(patch) => {
                let bytes = file::read(store.blob(&patch.index.sha256))?;
                let read = Patch::parse(&bytes, patch, index)?;
                (plan::by_patch(&read, &wanted), patch.pack)
            }
            None => (plan::whole(index, &wanted), form.pack),
        };
        Ok((tasks, File::open(store.blob(&pack.sha256))?))
    }

    /// Compresses what is compressed in it, and compares the digest.
    fn press(&self, mut made: File) -> Result<()> {
        made.rewind()?;
        let mut digester = Digester::default();
        let frames = self.artifact.comparable().0;
        inner::press(&mut BufReader::new(made), frames, &mut digester)?;
        ensure!(
            digester.finish() == self.artifact.sha256,
            "it is another image"
        );
        Ok(())
    }
}

/// The old image, compared with its digest, and with what is compressed in it unpacked.
fn unpacked(patch: &ArtifactPatch, old: &Path) -> Result<File> {
    let mut digester = Digester::default();
    std::io::copy(&mut File::open(old)?, &mut digester)?;
    ensure!(
        digester.finish() == patch.base.sha256,
        "the old image is another"
    );
    let mut out = BufWriter::new(tempfile::tempfile()?);
    inner::unpack(
        &mut BufReader::new(File::open(old)?),
        &patch.base.inner,
        &mut out,
    )?;
    out.flush()?;
    Ok(out.into_inner()?)
}

fn carry_out(
    index: Index,
    tasks: &[Task],
    pack: &File,
    old: Readable,
    sink: Box<dyn Sink>,
) -> Result<()> {
    let mut assembly = Assembly::new(Arc::new(index), Some(old), sink);
    let mut frame = Vec::new();
    for task in tasks {
        let bytes = task.bytes();
        frame.resize(usize::try_from(bytes.end - bytes.start)?, 0);
        ReadAt::read_exact_at(pack, &mut frame, bytes.start)?;
        let made = assembly.carry_out(task, &frame);
        made.map_err(|failure| anyhow!("{failure:?}"))?;
    }
    ensure!(!assembly.wanted().contains(&true), "chunks are missing");
    Ok(())
}

fn manifest(store: &Store, version: &str) -> Result<Manifest> {
    let manifests = store.manifests(&Metadata::load(store)?)?;
    let found = manifests
        .into_iter()
        .find(|manifest| manifest.version.as_str() == version);
    found.with_context(|| format!("the repository has no release {version}"))
}

struct Nowhere;

impl Sink for Nowhere {
    fn chunk(&mut self, _offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        std::hint::black_box(bytes);
        Ok(())
    }
}

/// A file that is not meant for a disk.
struct Place(File);

impl Sink for Place {
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
}
