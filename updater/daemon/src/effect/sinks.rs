//! Where the chunks of a release go: a file, a partition.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use acl_host::disk::Region;
use acl_release::payload::assemble::Sink;

use crate::session::Progress;

/// Counts what came over the network, for all sinks of a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched(Arc<AtomicU64>);

impl Fetched {
    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What can be written at any place.
pub(super) trait WriteAt: Send {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
}

/// A file that is told with its errors.
pub(super) struct Named {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl WriteAt for Named {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let written = FileExt::write_all_at(&self.file, bytes, offset);
        written.map_err(|error| at(&self.path, &error))
    }
}

/// The error with the file that it is about, which whoever reads or writes through it does not know.
pub(super) fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl WriteAt for Region {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        Region::write_at(self, bytes, offset).map_err(io::Error::other)
    }
}

/// Writes chunks to their places.
pub(super) struct Writing<W> {
    pub(super) to: W,
    pub(super) progress: Option<Progress>,
    pub(super) fetched: Fetched,
}

impl<W: WriteAt> Sink for Writing<W> {
    fn chunk(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.to.write_at(bytes, offset)?;
        self.count(bytes.len() as u64);
        Ok(())
    }

    fn kept(&mut self, _offset: u64, length: u32) -> io::Result<()> {
        self.count(length.into());
        Ok(())
    }

    fn fetched(&mut self, bytes: u64) {
        self.fetched.add(bytes);
    }
}

impl<W> Writing<W> {
    fn count(&self, bytes: u64) {
        if let Some(progress) = &self.progress {
            progress.add(bytes);
        }
    }
}
