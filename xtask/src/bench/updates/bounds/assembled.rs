//! `/usr` made as a node makes it, of the old one and the patch, and thrown away: no network, no disk to write to.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use acl_host::file;
use acl_host::verity::ReadAt;
use acl_release::manifest::Manifest;
use acl_release::payload::assemble::{Assembly, Sink};
use acl_release::payload::index::Index;
use acl_release::payload::patch::Patch;
use acl_release::payload::plan::{self, Task};
use acl_release::repository::store::{Metadata, Store};
use anyhow::{Context, Result, anyhow, ensure};

use crate::bench::updates::pair::Sides;

/// Seconds on one processor, each chunk compared with its digest.
pub(super) fn assembled(repository: &Path, sides: &Sides) -> Result<f64> {
    let store = Store::new(repository);
    let manifest = manifest(&store, &sides.new.version)?;
    let usr = manifest.artifacts.usr.plain();
    let index = Index::parse(&file::read(store.blob(&usr.index.sha256))?, &usr)?;
    let (tasks, pack) = tasks(&store, &manifest, &index, sides)?;
    let old = Arc::new(File::open(sides.old.file("usr")?)?);
    let mut assembly = Assembly::new(Arc::new(index), Some(old), Box::new(Nowhere));
    let mut frame = Vec::new();
    let start = Instant::now();
    for task in &tasks {
        let bytes = task.bytes();
        frame.resize(usize::try_from(bytes.end - bytes.start)?, 0);
        pack.read_exact_at(&mut frame, bytes.start)?;
        let made = assembly.carry_out(task, &frame);
        made.map_err(|failure| anyhow!("{failure:?}"))?;
    }
    let seconds = start.elapsed().as_secs_f64();
    ensure!(!assembly.wanted().contains(&true), "chunks are missing");
    Ok(seconds)
}

fn manifest(store: &Store, version: &str) -> Result<Manifest> {
    let manifests = store.manifests(&Metadata::load(store)?)?;
    let found = manifests
        .into_iter()
        .find(|manifest| manifest.version.as_str() == version);
    found.with_context(|| format!("the repository has no release {version}"))
}

/// What a node of the old release does, and the pack it needs.
fn tasks(
    store: &Store,
    manifest: &Manifest,
    index: &Index,
    sides: &Sides,
) -> Result<(Vec<Task>, File)> {
    let wanted = vec![true; index.chunks().len()];
    let patch = manifest.patch_from(&sides.old.description.root_hash.parse()?);
    let (tasks, pack) = match patch.map(|patch| &patch.usr) {
        Some(usr) => {
            let bytes = file::read(store.blob(&usr.index.sha256))?;
            let patch = Patch::parse(&bytes, usr, index)?;
            (plan::by_patch(&patch, &wanted), usr.pack)
        }
        None => (plan::whole(index, &wanted), manifest.artifacts.usr.pack),
    };
    Ok((tasks, File::open(store.blob(&pack.sha256))?))
}

struct Nowhere;

impl Sink for Nowhere {
    fn chunk(&mut self, _offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        std::hint::black_box(bytes);
        Ok(())
    }
}
