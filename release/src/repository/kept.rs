//! What a node remembers of repositories, durably: the trust store of the TUF client.
//!
//! ```text
//! <SHA-256 of the root that was shipped first>/   one publisher
//!     N.root.json                                 every root that was verified, since that one
//!     timestamp.root-N.json, snapshot.root-N.json the newest that were verified, and under which root
//! time                                            a time that was known to be right
//! ```
//!
//! Each file is written when it was verified, whatever happens to the next one, and is never replaced by an older one.
//! The version of the root in a name tells also after a power cut whether the keys have changed since. Nothing of
//! this is made anew in silence: a file that cannot be understood is an error, since without it a server could take back what
//! the node has seen.

use std::fs::File;
use std::path::{Path, PathBuf};

use acl_host::file;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tough::schema::{Role, Root, Signed};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::trust::metadata::parse;
use crate::trust::root_chain::{Chain, self_signed};

/// Held while something is changed: `acl-updated once` may run beside the agent.
const LOCK: &str = ".lock";

/// The file with the time.
const TIME: &str = "time";

/// The directory of what is remembered, and within it that of the publisher whose root was shipped.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    dir: PathBuf,
    publisher: PathBuf,
}

/// A role other than root that is remembered.
pub(crate) trait Online: Role + Serialize + DeserializeOwned {}

impl Online for tough::schema::Timestamp {}
impl Online for tough::schema::Snapshot {}

impl Kept {
    /// Opens, or makes, the directory, and finds the publisher of `shipped`, the root that the operator trusts.
    ///
    /// # Errors
    /// [`Error::TrustedRoot`] before anything is changed; [`Error::KeptMetadata`], [`Error::KeepMetadata`],
    /// [`Error::Host`].
    pub(crate) fn open(dir: &Path, shipped: &[u8]) -> Result<Self> {
        let root = self_signed(shipped).map_err(|problem| Error::TrustedRoot {
            problem: problem.to_string(),
        })?;
        file::make_directory(dir)?;
        let _lock = lock(dir)?;
        let publisher = match publisher_of(dir, &root)? {
            Some(known) => known,
            None => dir.join(Digest::of(shipped).to_string()),
        };
        file::make_directory(&publisher)?;
        let dir = dir.to_owned();
        let kept = Self { dir, publisher };
        kept.sweep()?;
        let newest = kept.chain()?.newest().map(|root| root.signed.version);
        if newest.is_none_or(|newest| root.signed.version > newest) {
            kept.write_root(root.signed.version.get(), shipped)?;
        }
        kept.forget_rotated()?;
        Ok(kept)
    }

    /// The newest root.
    pub(crate) fn root(&self) -> Result<Signed<Root>> {
        let newest = self.chain()?.newest().cloned();
        newest.ok_or_else(|| self.damaged(&self.publisher, "it holds no root.json"))
    }

    /// Remembers the root that follows the newest; what its keys no longer vouch for is forgotten (TUF §5.3.8, §5.3.11).
    pub(crate) fn keep_root(&self, version: u64, bytes: &[u8]) -> Result<()> {
        let _lock = lock(&self.dir)?;
        // Another process may have come further meanwhile, by roots that this one's server hides.
        let chain = self.chain()?;
        let newest = chain.newest().map(|root| root.signed.version.get());
        if chain.get(version).is_some()
            || newest.and_then(|newest| newest.checked_add(1)) != Some(version)
        {
            let path = self.publisher.join(format!("{version}.root.json"));
            let same = chain.get(version).is_some_and(|known| {
                self_signed(bytes).is_ok_and(|root| root.signed == known.signed)
            });
            return if same {
                Ok(())
            } else {
                Err(Error::RootChanged { path })
            };
        }
        self.write_root(version, bytes)?;
        self.forget_rotated()
    }

    /// The newest timestamp or snapshot, if one was seen since its keys changed.
    pub(crate) fn newest<T: Online>(&self) -> Result<Option<Signed<T>>> {
        let kind = T::TYPE.to_string();
        let Some((under, path)) = self.online(&kind)?.pop() else {
            return Ok(None);
        };
        let signed: Signed<T> = parse(&kind, &file::read(&path)?)
            .map_err(|problem| self.damaged(&path, &problem.to_string()))?;
        let chain = self.chain()?;
        let root = chain.get(under);
        match root.map(|root| root.signed.verify_role(&signed)) {
            Some(Ok(())) => Ok(Some(signed)),
            _ => Err(self.damaged(&path, "its signature does not hold")),
        }
    }

    /// Remembers a timestamp or snapshot, unless the one that is known is as new (TUF §5.4.5, §5.5.7).
    pub(crate) fn keep<T: Online>(&self, root: &Root, role: &Signed<T>) -> Result<()> {
        let _lock = lock(&self.dir)?;
        let known = self.newest::<T>()?;
        if known.is_some_and(|known| known.signed.version() >= role.signed.version()) {
            return Ok(());
        }
        let kind = T::TYPE.to_string();
        let bytes = serde_json::to_vec(role).map_err(|source| Error::Serialize {
            document: kind.clone(),
            source,
        })?;
        let path = self
            .publisher
            .join(format!("{kind}.root-{}.json", root.version));
        file::write(&path, &bytes)?;
        let older = self
            .online(&kind)?
            .into_iter()
            .filter(|(_, old)| *old != path);
        for (_, old) in older {
            file::remove(old)?;
        }
        Ok(())
    }

    /// A time that was known to be right, and has passed therefore.
    pub(crate) fn time(&self) -> Result<Option<Timestamp>> {
        let path = self.time_path();
        match std::fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(time) => Ok(Some(time)),
                Err(_) => Err(self.damaged(&path, "it holds no time")),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(&path)(source)),
        }
    }

    /// Remembers a time, unless a later one is known.
    pub(crate) fn keep_time(&self, now: Timestamp) -> Result<()> {
        let _lock = lock(&self.dir)?;
        if self.time()?.is_some_and(|known| known >= now) {
            return Ok(());
        }
        Ok(file::write(
            self.time_path(),
            format!("{now}\n").as_bytes(),
        )?)
    }

    /// Where the time is.
    pub(crate) fn time_path(&self) -> PathBuf {
        self.dir.join(TIME)
    }

    /// The roots. A role that was kept under one that is missing tells that it is lost: it was written first.
    fn chain(&self) -> Result<Chain> {
        let chain = read_chain(&self.dir, &self.publisher)?;
        for kind in ["timestamp", "snapshot"] {
            let mut online = self.online(kind)?.into_iter();
            let lost = online.find(|(under, _)| chain.get(*under).is_none());
            if let Some((_, path)) = lost {
                return Err(self.damaged(&path, "the root that it was verified under is missing"));
            }
        }
        Ok(chain)
    }

    fn write_root(&self, version: u64, bytes: &[u8]) -> Result<()> {
        Ok(file::write(
            self.publisher.join(format!("{version}.root.json")),
            bytes,
        )?)
    }

    /// Removes what was signed by keys for timestamp and snapshot that a later root changed, so that versions that a thief
    /// made high do not count.
    fn forget_rotated(&self) -> Result<()> {
        let chain = self.chain()?;
        for kind in ["timestamp", "snapshot"] {
            for (under, path) in self.online(kind)? {
                if chain.has_rotated_since(under) {
                    file::remove(path)?;
                }
            }
        }
        Ok(())
    }

    /// The files of a role other than root, with the version of the root that each was verified under; the newest last.
    fn online(&self, kind: &str) -> Result<Vec<(u64, PathBuf)>> {
        let mut found = numbered(&self.publisher, &format!("{kind}.root-"), ".json")?;
        found.sort();
        Ok(found)
    }

    /// Removes what interrupted writes left, and what older versions of this program remembered in another form.
    fn sweep(&self) -> Result<()> {
        for path in file::list(&self.dir)?
            .into_iter()
            .chain(file::list(&self.publisher)?)
        {
            let name = name_of(&path);
            let removed = if name.starts_with(".copy-") && path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else if is_of_old_form(name) || (name.starts_with('.') && name.ends_with(".new")) {
                std::fs::remove_file(&path)
            } else {
                Ok(())
            };
            removed.map_err(failed(&path))?;
        }
        Ok(())
    }

    fn damaged(&self, path: &Path, problem: &str) -> Error {
        damaged(&self.dir, path, problem)
    }
}

/// Runs work on files away from the asynchronous runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    kept: &Kept,
    work: impl FnOnce(&Kept) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (path, kept) = (kept.dir.clone(), kept.clone());
    let done = tokio::task::spawn_blocking(move || work(&kept)).await;
    done.map_err(|error| failed(&path)(error.into()))?
}

/// The directory of the publisher that a root belongs to; of several, the one that has seen the newest root.
fn publisher_of(dir: &Path, root: &Signed<Root>) -> Result<Option<PathBuf>> {
    let mut known = Vec::new();
    for path in file::list(dir)? {
        // What has such a name and cannot be read as a directory is an error, not another publisher.
        if name_of(&path).parse::<Digest>().is_err() {
            continue;
        }
        let chain = read_chain(dir, &path)?;
        if chain.knows(root) {
            known.push((chain.newest().map(|root| root.signed.version), path));
        }
    }
    Ok(known.into_iter().max().map(|(_, path)| path))
}

fn read_chain(dir: &Path, publisher: &Path) -> Result<Chain> {
    let mut roots = Vec::new();
    for (version, path) in numbered(publisher, "", ".root.json")? {
        let root = self_signed(&file::read(&path)?)
            .map_err(|problem| damaged(dir, &path, &problem.to_string()))?;
        if root.signed.version.get() != version {
            let problem = format!("it is version {}", root.signed.version);
            return Err(damaged(dir, &path, &problem));
        }
        roots.push(root);
    }
    Chain::new(roots).map_err(|version| {
        let path = publisher.join(format!("{version}.root.json"));
        damaged(dir, &path, "the root before it did not sign it")
    })
}

/// The files in a directory whose names are a number between two texts.
fn numbered(dir: &Path, before: &str, after: &str) -> Result<Vec<(u64, PathBuf)>> {
    let number = |path: &Path| {
        let name = name_of(path).strip_prefix(before)?.strip_suffix(after)?;
        name.parse().ok()
    };
    let files = file::list(dir)?.into_iter();
    Ok(files
        .filter_map(|path| Some((number(&path)?, path)))
        .collect())
}

/// Whether a file was tough's, in whose datastore everything lay in one directory.
fn is_of_old_form(name: &str) -> bool {
    let ours = name.contains(".root") && name.ends_with(".json") && name != "root.json";
    name == "ancestor" || (name.ends_with(".json") && !ours)
}

fn name_of(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// Waits for another process that changes the directory: it does so for the time of a write.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let open = File::options().create(true).append(true).open(&path);
    let lock = open.map_err(failed(&path))?;
    lock.lock().map_err(failed(&path))?;
    Ok(lock)
}

fn damaged(dir: &Path, path: &Path, problem: &str) -> Error {
    Error::KeptMetadata {
        dir: dir.to_owned(),
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::KeepMetadata {
        path: path.clone(),
        source,
    }
}
