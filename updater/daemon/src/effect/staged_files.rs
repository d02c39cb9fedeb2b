//! The parts of a release that are checked before anything is changed: the kernel image and the signature, kept as
//! files until the release is armed.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use acl_release::{
    digest::{Digest, Digester},
    manifest::{Artifact, Part},
    payload::unpack::Sink,
};

use super::Error;
use crate::session::{Found, Progress};

/// Where the parts are kept.
#[derive(Clone, Debug)]
pub(super) struct StagedFiles {
    directory: PathBuf,
}

impl StagedFiles {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self {
            directory: state_dir.join("staging"),
        }
    }

    /// Where a part is kept.
    pub(super) fn path(&self, part: Part) -> PathBuf {
        self.directory.join(part.as_str())
    }

    /// Fetch a part; the bytes that came over the network.
    pub(super) async fn fetch(
        &self,
        found: &Found,
        part: Part,
        progress: &mut Progress,
    ) -> Result<u64, Error> {
        let path = self.path(part);
        let create = || {
            std::fs::create_dir_all(&self.directory)?;
            File::create(&path)
        };
        let file = create().map_err(|source| Error::KeepPart {
            path: path.clone(),
            source,
        })?;
        let mut sink = ToFile {
            file,
            path: &path,
            progress,
            fetched: 0,
        };
        super::write::fetch(found, part, &mut sink).await?;
        Ok(sink.fetched)
    }

    /// A kept part, read with its digest checked once more at its end: it has been on a disk since.
    pub(super) fn open(&self, part: Part, artifact: &Artifact) -> Result<Verified, Error> {
        let path = self.path(part);
        let file = File::open(&path).map_err(|source| Error::KeepPart {
            path: path.clone(),
            source,
        })?;
        Ok(Verified {
            file,
            path,
            digester: Some(Digester::default()),
            expected: artifact.sha256,
        })
    }

    /// Remove them; what stays is overwritten by the next update.
    pub(super) fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, path = %self.directory.display(), "cannot remove what was staged");
        }
    }
}

/// The error with the file that it is about, which whoever reads or writes through it does not know.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

struct ToFile<'a> {
    file: File,
    path: &'a Path,
    progress: &'a mut Progress,
    fetched: u64,
}

impl Sink for ToFile<'_> {
    fn chunk(&mut self, _offset: u64, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| at(self.path, &error))?;
        self.progress.add(bytes.len() as u64);
        Ok(())
    }

    fn fetched(&mut self, bytes: u64) {
        self.fetched += bytes;
    }
}

/// A reader that fails at its end when what it gave was not what the manifest says.
#[derive(Debug)]
pub(super) struct Verified {
    file: File,
    path: PathBuf,
    digester: Option<Digester>,
    expected: Digest,
}

impl Read for Verified {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.file.read(buffer);
        let taken = taken.map_err(|error| at(&self.path, &error))?;
        if taken > 0 {
            if let Some(digester) = &mut self.digester {
                digester.update(&buffer[..taken]);
            }
            return Ok(taken);
        }
        match self.digester.take().map(Digester::finish) {
            Some(found) if found != self.expected => Err(io::Error::other(format!(
                "the kept copy has SHA-256 {found}, the manifest says {}",
                self.expected
            ))),
            _ => Ok(0),
        }
    }
}
