//! Where the chunks of a release go: a file, a partition.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
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

impl WriteAt for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }
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
