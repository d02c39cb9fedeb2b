//! Publishing: every change is durable and in an order in which a reader, or a power cut, never meets half of it.
//!
//! Blobs first, then the documents, then the roles that list them, then snapshot, and `timestamp.json` last: before
//! that rename readers see the old repository, after it the new one.

use std::fs::{File, TryLockError};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use acl_host::clock::Clock;
use jiff::Timestamp;
use tough::schema::{Metafile, RoleType, Snapshot, Targets};

use crate::channel::ChannelName;
use crate::error::{Error, Result};
use crate::repository::store::{Metadata, Store};
use crate::trust::keys::{Key, Keyring};
use crate::trust::roles::{self, Lifetimes, expiry, key_id, metafile};

/// Someone who changes a repository; no other may at the same time.
#[derive(Debug)]
pub struct Publisher {
    pub(crate) store: Store,
    pub(crate) keys: Keyring,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) clock: Arc<dyn Clock>,
    _lock: File,
}

/// What changes at once.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) targets: Option<Targets>,
    pub(crate) channels: Vec<(ChannelName, Targets)>,
    pub(crate) snapshot: bool,
}

/// How often the lock is tried, a tenth of a second apart: another one may be about to end, and a program that this
/// process starts has the lock, too, for a moment.
const TRIES: u32 = 20;

/// Takes the lock.
fn wait_for(lock: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(100)),
            taken => return taken,
        }
    }
    lock.try_lock()
}

impl Publisher {
    /// Takes the repository in `dir`, which is made when missing.
    ///
    /// # Errors
    /// [`Error::KeysInRepository`]; [`Error::Publish`] when another publisher is at work, or the directory cannot be
    /// written.
    pub fn new(
        dir: &Path,
        keys: Keyring,
        lifetimes: Lifetimes,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        keys.refuse_inside(dir)?;
        let store = Store::new(dir);
        acl_host::file::make_directory(dir)?;
        let path = dir.join(".lock");
        let failed = |action| {
            let path = path.clone();
            move |source| Error::Publish {
                action,
                path,
                source,
            }
        };
        let open = File::options().create(true).append(true).open(&path);
        let lock = open.map_err(failed("make"))?;
        wait_for(&lock)
            .map_err(|error| failed("take the lock of another acl-release")(error.into()))?;
        Ok(Self {
            store,
            keys,
            lifetimes,
            clock,
            _lock: lock,
        })
    }

    /// Signs what changed and all that depends on it, and writes it in the order that readers rely on.
    pub(crate) fn publish(&self, metadata: Metadata, change: Change) -> Result<()> {
        let now = self.clock.now();
        let keys = self.keys_for(&metadata, &change)?;
        let mut snapshot = metadata.snapshot.signed.clone();
        let renews_snapshot =
            change.snapshot || change.targets.is_some() || !change.channels.is_empty();
        for (name, role) in change.channels {
            self.sign_targets(
                &name.role(),
                role,
                expiry(now, &self.lifetimes.channel)?,
                &keys,
                &mut snapshot,
            )?;
        }
        if let Some(targets) = change.targets {
            self.sign_targets(
                "targets",
                targets,
                expiry(now, &self.lifetimes.targets)?,
                &keys,
                &mut snapshot,
            )?;
        }
        let mut timestamp = metadata.timestamp.signed;
        let first = timestamp.meta.is_empty();
        if renews_snapshot {
            snapshot.version = following("snapshot", timestamp.meta.get("snapshot.json"))?;
            snapshot.expires = expiry(now, &self.lifetimes.snapshot)?;
            let version = snapshot.version;
            let (_, bytes) = roles::sign("snapshot", snapshot, &[key(&keys, "snapshot")?])?;
            self.store
                .write_metadata(&format!("{version}.snapshot.json"), &bytes)?;
            timestamp
                .meta
                .insert("snapshot.json".to_owned(), metafile(version, &bytes));
        }
        if !first {
            timestamp.version = next("timestamp", timestamp.version)?;
        }
        timestamp.expires = expiry(now, &self.lifetimes.timestamp)?;
        let (_, bytes) = roles::sign("timestamp", timestamp, &[key(&keys, "timestamp")?])?;
        self.store.write_metadata("timestamp.json", &bytes)
    }

    /// Signs a role of documents under its next version, and lists it in the snapshot.
    fn sign_targets(
        &self,
        name: &str,
        mut role: Targets,
        expires: Timestamp,
        keys: &[(String, Key)],
        snapshot: &mut Snapshot,
    ) -> Result<()> {
        let file = format!("{name}.json");
        role.version = following(name, snapshot.meta.get(&file))?;
        role.expires = expires;
        let version = role.version;
        let (_, bytes) = roles::sign(name, role, &[key(keys, name)?])?;
        self.store
            .write_metadata(&format!("{version}.{file}"), &bytes)?;
        snapshot.meta.insert(file, metafile(version, &bytes));
        Ok(())
    }

    /// All keys that a change needs, before anything is written.
    fn keys_for(&self, metadata: &Metadata, change: &Change) -> Result<Vec<(String, Key)>> {
        let mut names: Vec<String> = change
            .channels
            .iter()
            .map(|(name, _)| name.role())
            .collect();
        names.extend(change.targets.is_some().then(|| "targets".to_owned()));
        names.extend((change.snapshot || !names.is_empty()).then(|| "snapshot".to_owned()));
        names.push("timestamp".to_owned());
        names
            .into_iter()
            .map(|name| Ok((name.clone(), self.trusted(metadata, &name)?)))
            .collect()
    }

    /// The key of a role, if readers will accept it.
    pub(crate) fn trusted(&self, metadata: &Metadata, role: &str) -> Result<Key> {
        let key = self.keys.key(role)?;
        let id = key_id(role, &key)?;
        let root = &metadata.root.signed.roles;
        let top = TOP
            .iter()
            .find(|top| top.to_string() == role)
            .and_then(|top| root.get(top))
            .map(|keys| &keys.keyids);
        let delegated = || {
            metadata
                .targets
                .signed
                .delegations
                .iter()
                .flat_map(|all| &all.roles)
                .find(|known| known.name == role)
        };
        match top.or_else(|| delegated().map(|known| &known.keyids)) {
            Some(known) if known.contains(&id) => Ok(key),
            _ => Err(Error::ForeignKey {
                role: role.to_owned(),
                key: key.to_string(),
            }),
        }
    }
}

/// The roles that root names.
pub(crate) const TOP: [RoleType; 4] = [
    RoleType::Root,
    RoleType::Targets,
    RoleType::Snapshot,
    RoleType::Timestamp,
];

fn key<'a>(keys: &'a [(String, Key)], role: &str) -> Result<&'a Key> {
    let found = keys
        .iter()
        .find(|(name, _)| name == role)
        .map(|(_, key)| key);
    found.ok_or_else(|| Error::Sign {
        role: role.to_owned(),
        problem: "its key was not opened".to_owned(),
    })
}

/// The version after the one that is listed; the first when none is.
fn following(role: &str, listed: Option<&Metafile>) -> Result<NonZeroU64> {
    listed.map_or(Ok(NonZeroU64::MIN), |listed| next(role, listed.version))
}

pub(crate) fn next(role: &str, version: NonZeroU64) -> Result<NonZeroU64> {
    version.checked_add(1).ok_or_else(|| Error::Sign {
        role: role.to_owned(),
        problem: "its version cannot grow".to_owned(),
    })
}
