//! A repository on disk, as its publisher sees it: the newest metadata, checked before anything is built on it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use acl_host::file;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tough::schema::{Metafile, Root, Signed, Snapshot, Target, Targets, Timestamp};

use crate::channel::{Channel, ChannelName};
use crate::digest::{Digest, Digester};
use crate::error::{Error, Result};
use crate::manifest::{Blob, Manifest};
use crate::repository::documents::{consistent, digest_of, listed};
use crate::repository::serve::PUBLISHED;
use crate::version::Version;

/// The directory of a repository.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// The newest metadata of a repository, every signature of which was checked.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// The root of trust.
    pub root: Signed<Root>,
    /// What lists the releases and names the channels.
    pub targets: Signed<Targets>,
    /// The channels' roles.
    pub channels: BTreeMap<ChannelName, Signed<Targets>>,
    /// The versions that belong together.
    pub snapshot: Signed<Snapshot>,
    /// The newest snapshot.
    pub timestamp: Signed<Timestamp>,
}

impl Store {
    /// The repository in a directory, which need not exist yet.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file of metadata.
    pub fn metadata(&self, name: &str) -> PathBuf {
        self.dir.join("metadata").join(name)
    }

    /// A blob.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs").join(digest.to_string())
    }

    /// Whether there is a repository: its timestamp is what makes one.
    ///
    /// # Errors
    /// [`Error::Host`] when that cannot be told.
    pub fn exists(&self) -> Result<bool> {
        Ok(file::exists(self.metadata("timestamp.json"))?)
    }

    /// Makes the directories that are missing.
    pub(crate) fn make(&self) -> Result<()> {
        for name in PUBLISHED {
            file::make_directory(self.dir.join(name))?;
        }
        Ok(())
    }

    /// Writes a target's document, durably.
    pub(crate) fn write_document(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self
            .dir
            .join("targets")
            .join(consistent(name, &Digest::of(bytes)));
        if let Some(parent) = path.parent() {
            file::make_directory(parent)?;
        }
        Ok(file::write(path, bytes)?)
    }

    /// Writes a file of metadata, durably.
    pub(crate) fn write_metadata(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(file::write(self.metadata(name), bytes)?)
    }

    /// Whether a blob is there, whole. What cannot be read is as good as not there.
    pub(crate) fn has(&self, blob: &Blob) -> bool {
        let path = self.blob(&blob.sha256);
        // What has another size need not be read.
        std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() == blob.size)
            && digest(&path).is_ok_and(|(_, found)| found == blob.sha256)
    }

    /// The channel's document that its role lists.
    ///
    /// # Errors
    /// [`Error::ChannelMissing`], [`Error::Damaged`], [`Error::ParseFile`].
    pub fn channel(&self, metadata: &Metadata, name: &ChannelName) -> Result<Channel> {
        let role = metadata.channel(name)?;
        let target = listed(&role.signed, &name.target());
        match target {
            Some(target) => self.document(&name.target(), target),
            None => Ok(Channel::empty(name.clone())),
        }
    }

    /// The manifests of all releases, oldest first.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::ParseFile`].
    pub fn manifests(&self, metadata: &Metadata) -> Result<Vec<Manifest>> {
        let mut manifests: Vec<Manifest> = Vec::new();
        for (name, target) in &metadata.targets.signed.targets {
            if name.raw().starts_with("releases/") {
                manifests.push(self.document(name.raw(), target)?);
            }
        }
        manifests.sort_by(|a, b| (&a.version, &a.arch).cmp(&(&b.version, &b.arch)));
        Ok(manifests)
    }

    /// Reads a target's document and compares it with what its role says.
    fn document<T: DeserializeOwned>(&self, name: &str, target: &Target) -> Result<T> {
        let expected = digest_of(target).unwrap_or_else(|| [0; 32].into());
        let path = self.dir.join("targets").join(consistent(name, &expected));
        let bytes = file::read(&path)?;
        check_digest(&path, &bytes, &expected)?;
        serde_json::from_slice(&bytes).map_err(|source| Error::ParseFile { path, source })
    }
}

impl Metadata {
    /// Reads the newest metadata.
    ///
    /// # Errors
    /// [`Error::NotARepository`]; [`Error::Damaged`] and [`Error::ParseFile`] with the file that is not what it was.
    pub fn load(store: &Store) -> Result<Self> {
        if !store.exists()? {
            return Err(Error::NotARepository {
                path: store.dir().to_owned(),
            });
        }
        let root = newest_root(store)?;
        let timestamp: Signed<Timestamp> = read(store, "timestamp.json", None)?;
        verify(store, "timestamp.json", root.signed.verify_role(&timestamp))?;
        let file = named(&timestamp.signed.meta, "snapshot");
        let snapshot: Signed<Snapshot> = read(store, &file.0, file.1)?;
        verify(store, &file.0, root.signed.verify_role(&snapshot))?;
        let file = named(&snapshot.signed.meta, "targets");
        let targets: Signed<Targets> = read(store, &file.0, file.1)?;
        verify(store, &file.0, root.signed.verify_role(&targets))?;
        let channels = channels(store, &snapshot.signed, &targets.signed)?;
        Ok(Self {
            root,
            targets,
            channels,
            snapshot,
            timestamp,
        })
    }

    /// The role of a channel.
    ///
    /// # Errors
    /// [`Error::ChannelMissing`] with those that there are.
    pub fn channel(&self, name: &ChannelName) -> Result<&Signed<Targets>> {
        self.channels
            .get(name)
            .ok_or_else(|| Error::ChannelMissing {
                channel: name.to_string(),
                known: self.channels.keys().map(ToString::to_string).collect(),
            })
    }

    /// Whether a release is listed, for any architecture.
    pub fn has_release(&self, version: &Version) -> bool {
        let prefix = format!("releases/{version}/");
        self.targets
            .signed
            .targets
            .keys()
            .any(|name| name.raw().starts_with(&prefix))
    }
}

/// The last of the roots that follow one another, each signed by the one before it.
fn newest_root(store: &Store) -> Result<Signed<Root>> {
    let mut root: Signed<Root> = read(store, "1.root.json", None)?;
    verify(store, "1.root.json", root.signed.verify_role(&root))?;
    loop {
        let name = format!("{}.root.json", root.signed.version.get() + 1);
        // A newer root that cannot be looked at must not give way to an older one.
        if !file::exists(store.metadata(&name))? {
            return Ok(root);
        }
        let next: Signed<Root> = read(store, &name, None)?;
        verify(store, &name, root.signed.verify_role(&next))?;
        verify(store, &name, next.signed.verify_role(&next))?;
        root = next;
    }
}

fn channels(
    store: &Store,
    snapshot: &Snapshot,
    targets: &Targets,
) -> Result<BTreeMap<ChannelName, Signed<Targets>>> {
    let mut channels = BTreeMap::new();
    let Some(delegations) = &targets.delegations else {
        return Ok(channels);
    };
    for delegated in &delegations.roles {
        let name = delegated
            .name
            .strip_prefix("channel-")
            .map(str::parse::<ChannelName>);
        let Some(Ok(name)) = name else { continue };
        let file = named(&snapshot.meta, &delegated.name);
        let role: Signed<Targets> = read(store, &file.0, file.1)?;
        verify(
            store,
            &file.0,
            delegations.verify_role(&role, &delegated.name),
        )?;
        channels.insert(name, role);
    }
    Ok(channels)
}

/// The file of a role and how it is listed.
fn named<'a>(
    meta: &'a std::collections::HashMap<String, Metafile>,
    role: &str,
) -> (String, Option<&'a Metafile>) {
    let listed = meta.get(&format!("{role}.json"));
    let version = listed.map_or(1, |file| file.version.get());
    (format!("{version}.{role}.json"), listed)
}

fn read<T: DeserializeOwned>(store: &Store, name: &str, listed: Option<&Metafile>) -> Result<T> {
    let path = store.metadata(name);
    let bytes = file::read(&path)?;
    if let Some(hashes) = listed.and_then(|file| file.hashes.as_ref()) {
        let expected: Option<[u8; 32]> = hashes.sha256.as_ref().try_into().ok();
        check_digest(&path, &bytes, &expected.unwrap_or_default().into())?;
    }
    serde_json::from_slice(&bytes).map_err(|source| Error::ParseFile { path, source })
}

fn check_digest(path: &Path, bytes: &[u8], expected: &Digest) -> Result<()> {
    let found = Digest::of(bytes);
    if found == *expected {
        return Ok(());
    }
    let problem = format!(
        "its SHA-256 is {found}, the signed metadata says {expected}; restore it from a copy"
    );
    Err(Error::Damaged {
        path: path.to_owned(),
        problem,
    })
}

fn verify(store: &Store, name: &str, verified: Result<(), tough::schema::Error>) -> Result<()> {
    verified.map_err(|source| Error::Damaged {
        path: store.metadata(name),
        problem: source.to_string(),
    })
}

/// The size and the digest of a file.
fn digest(path: &Path) -> std::io::Result<(u64, Digest)> {
    digest_of_file(&File::open(path)?)
}

/// The size and the digest of an open file, read from its beginning.
pub(crate) fn digest_of_file(mut file: &File) -> std::io::Result<(u64, Digest)> {
    file.rewind()?;
    let (mut digest, mut size, mut buffer) = (Digester::default(), 0, vec![0; 1 << 20]);
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok((size, digest.finish()));
        }
        digest.update(&buffer[..length]);
        size += length as u64;
    }
}

/// A document as it is published: JSON that a person can read.
pub(crate) fn to_json<T: Serialize>(document: &str, value: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| Error::Serialize {
        document: document.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}
