//! What a node remembers of a repository: the newest metadata it has seen, so that older metadata is recognised.
//!
//! tough writes its datastore in place. It gets a copy, and what it leaves there replaces ours file by file,
//! durably, only once everything was found good: a power cut cannot make a node forget.

use std::path::{Path, PathBuf};

use acl_host::file;
use tempfile::TempDir;
use tough::schema::{Root, Signed};

use crate::digest::Digest;
use crate::error::{Error, Result};

/// The digest of the trusted root from which the kept root descends.
const ANCESTOR: &str = "ancestor";

/// How the names of copies begin.
const COPY: &str = ".copy-";

/// The directory with what is remembered.
#[derive(Debug)]
pub(crate) struct Kept {
    dir: PathBuf,
    trusted: Vec<u8>,
}

impl Kept {
    /// Opens, or makes, the directory. `trusted` is the root that the operator trusts.
    pub(crate) fn open(dir: &Path, trusted: &[u8]) -> Result<Self> {
        parse_root(trusted).map_err(|problem| Error::TrustedRoot { problem })?;
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        sweep(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            trusted: trusted.to_owned(),
        })
    }

    /// The root to begin with: the newest that is known to descend from the trusted one. Beginning with the trusted
    /// one each time would let a server keep back the news that a key was revoked.
    pub(crate) fn root(&self) -> Vec<u8> {
        let kept = std::fs::read(self.dir.join("root.json")).unwrap_or_default();
        if self.descends(&kept) {
            kept
        } else {
            self.trusted.clone()
        }
    }

    fn descends(&self, kept: &[u8]) -> bool {
        let (Ok(kept), Ok(trusted)) = (parse_root(kept), parse_root(&self.trusted)) else {
            return false;
        };
        let ancestor = std::fs::read_to_string(self.dir.join(ANCESTOR)).unwrap_or_default();
        let same_ancestor = ancestor.trim() == Digest::of(&self.trusted).to_string();
        kept.signed.version > trusted.signed.version
            && (same_ancestor || trusted.signed.verify_role(&kept).is_ok())
    }

    /// A copy that may be written to.
    pub(crate) fn copy(&self) -> Result<TempDir> {
        let copy = tempfile::Builder::new().prefix(COPY).tempdir_in(&self.dir);
        let copy = copy.map_err(failed(&self.dir))?;
        for (name, path) in files(&self.dir)? {
            std::fs::copy(&path, copy.path().join(name)).map_err(failed(&path))?;
        }
        Ok(copy)
    }

    /// Remembers what the copy holds.
    pub(crate) fn keep(&self, copy: TempDir) -> Result<()> {
        for (name, path) in files(copy.path())? {
            let bytes = std::fs::read(&path).map_err(failed(&path))?;
            let kept = self.dir.join(name);
            if std::fs::read(&kept).ok().as_deref() != Some(&bytes) {
                file::write(&kept, &bytes)?;
            }
        }
        let ancestor = format!("{}\n", Digest::of(&self.trusted));
        Ok(file::write(self.dir.join(ANCESTOR), ancestor.as_bytes())?)
    }
}

/// A root that is signed as it demands itself, or what is wrong with it.
fn parse_root(bytes: &[u8]) -> Result<Signed<Root>, String> {
    let root: Signed<Root> = serde_json::from_slice(bytes)
        .map_err(|source| format!("is not TUF metadata ({source})"))?;
    root.signed
        .verify_role(&root)
        .map_err(|source| format!("is not signed by its own keys ({source})"))?;
    Ok(root)
}

/// Removes the copies of readers that were killed. One that is still at work, because `acl-updated once` was run beside
/// the agent, fails and tries again; each has a copy of its own, so none keeps what another has not found good.
fn sweep(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(failed(dir))? {
        let entry = entry.map_err(failed(dir))?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(COPY.as_bytes())
        {
            let path = entry.path();
            std::fs::remove_dir_all(&path).map_err(failed(&path))?;
        }
    }
    Ok(())
}

/// The metadata in a directory: names and paths.
fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed(dir))? {
        let path = entry.map_err(failed(dir))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if name.ends_with(".json") && !name.starts_with('.') {
            found.push((name, path));
        }
    }
    Ok(found)
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::KeepMetadata {
        path: path.clone(),
        source,
    }
}
