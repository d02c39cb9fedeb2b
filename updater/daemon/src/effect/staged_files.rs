//! The parts of a release that are checked before anything is changed: the kernel image and the signature, kept as
//! files until the release is armed.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use acl_release::{
    digest::{Digest, Digester},
    manifest::{Artifact, Part},
    repository::fetch::Stock,
};

use tokio_util::sync::CancellationToken;

use super::{
    Error,
    cancellable::Cancellable,
    sinks::{Fetched, Named, Writing, at},
    write,
};
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

    /// The kernel image with what is compressed in it unpacked, as far as it has been fetched.
    pub(super) fn unpacked(&self) -> PathBuf {
        self.directory.join("uki.unpacked")
    }

    /// The running kernel image, unpacked the same way.
    pub(super) fn old(&self) -> PathBuf {
        self.directory.join("uki.old")
    }

    /// Which release is being written to the slot.
    pub(super) fn slot_mark(&self) -> PathBuf {
        self.directory.join("slot")
    }

    /// Fetch a part, as far as an earlier try has not.
    pub(super) async fn fetch(
        &self,
        found: &Found,
        part: Part,
        (progress, fetched): (&Progress, &Fetched),
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let (path, artifact) = (self.path(part), found.manifest.artifacts.part(part));
        let open = || {
            let mut open = File::options();
            let file = open
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            // A longer one is of another release.
            file.set_len(file.metadata()?.len().min(artifact.size))?;
            Ok((file.try_clone()?, file))
        };
        let (begun, file) = open().map_err(|source| Error::KeepPart {
            path: path.clone(),
            source,
        })?;
        let stock = Stock {
            begun: Some(Arc::new(begun)),
            old: None,
        };
        let sink = Writing {
            to: Named {
                file,
                path: path.clone(),
            },
            progress: Some(progress.clone()),
            fetched: fetched.clone(),
        };
        let form = artifact.plain();
        write::fetch(found, part, (&form, None), (stock, sink), stop).await
    }

    /// Makes the directory.
    pub(super) fn make(&self) -> Result<(), Error> {
        std::fs::create_dir_all(&self.directory).map_err(|source| Error::KeepPart {
            path: self.directory.clone(),
            source,
        })
    }

    /// Whether all of a part is there already, as it was published; not when `cancel` is cancelled meanwhile.
    pub(super) fn has(&self, part: Part, artifact: &Artifact, cancel: &CancellationToken) -> bool {
        let read = self.open(part, artifact).map(|kept| {
            let whole = io::copy(&mut Cancellable::new(kept, cancel), &mut io::sink());
            whole.is_ok_and(|size| size == artifact.size)
        });
        read.unwrap_or(false)
    }

    /// A kept part, read with its digest checked once more at its end: it has been on a disk since.
    pub(super) fn open(&self, part: Part, artifact: &Artifact) -> Result<Verified, Error> {
        let path = self.path(part);
        let file = File::open(&path).map_err(|source| Error::KeepPart {
            path: path.clone(),
            source,
        })?;
        Ok(Verified::new(file, path, artifact.sha256))
    }

    /// Remove them; what stays is overwritten by the next update.
    pub(super) fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, path = %self.directory.display(), "cannot remove what was staged");
        }
    }
}

/// A file that fails at its end when what it gave was not what the manifest says.
#[derive(Debug)]
pub(super) struct Verified {
    file: File,
    path: PathBuf,
    digester: Option<Digester>,
    expected: Digest,
}

impl Verified {
    pub(super) fn new(file: File, path: PathBuf, expected: Digest) -> Self {
        Self {
            file,
            path,
            digester: Some(Digester::default()),
            expected,
        }
    }
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
                "{} has SHA-256 {found}, the manifest says {}",
                self.path.display(),
                self.expected
            ))),
            _ => Ok(0),
        }
    }
}
