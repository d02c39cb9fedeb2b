//! Publishing: every change is durable and in an order in which a reader, or a power cut, never meets half of it.
//!
//! Blobs first, then the documents, then the roles that list them, then snapshot, and `timestamp.json` last: before
//! that rename readers see the old repository, after it the new one.

use std::fs::File;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use acl_host::clock::Clock;
use jiff::Timestamp;
use tough::schema::{Delegations, Metafile, RoleType, Snapshot, Targets};

use crate::channel::{Channel, ChannelName, Offer};
use crate::error::{Error, Result};
use crate::repository::store::{Metadata, Store, to_json};
use crate::trust::keys::{Key, Keyring};
use crate::trust::roles::{self, Lifetimes, SPEC, expiry, key_id, metafile};
use crate::version::Version;

/// Someone who changes a repository; no other may at the same time.
#[derive(Debug)]
pub struct Publisher {
    pub(crate) store: Store,
    keys: Keyring,
    lifetimes: Lifetimes,
    clock: Arc<dyn Clock>,
    _lock: File,
}

/// A role that can be signed again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renewal {
    /// root: a new version of it, with the same keys.
    Root,
    /// targets.
    Targets,
    /// A channel's role.
    Channel(ChannelName),
    /// snapshot.
    Snapshot,
    /// timestamp; renewed with every other but root.
    Timestamp,
}

/// What changes at once.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) targets: Option<Targets>,
    pub(crate) channels: Vec<(ChannelName, Targets)>,
    pub(crate) snapshot: bool,
}

impl Publisher {
    /// Takes the repository in `dir`, which is made when missing.
    ///
    /// # Errors
    /// [`Error::Publish`] when another publisher is at work, or the directory cannot be written.
    pub fn new(
        dir: &Path,
        keys: Keyring,
        lifetimes: Lifetimes,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let store = Store::new(dir);
        super::store::make_dir(dir)?;
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
        lock.try_lock()
            .map_err(|error| failed("take the lock of another acl-release")(error.into()))?;
        Ok(Self {
            store,
            keys,
            lifetimes,
            clock,
            _lock: lock,
        })
    }

    /// Makes an empty repository with these channels, and keys for roles that have none.
    ///
    /// # Errors
    /// [`Error::RepositoryExists`]; those of keys and files.
    pub fn init(&self, channels: &[ChannelName]) -> Result<()> {
        if self.store.exists() {
            return Err(Error::RepositoryExists {
                path: self.store.dir().to_owned(),
            });
        }
        for role in TOP
            .map(|role| role.to_string())
            .into_iter()
            .chain(channels.iter().map(ChannelName::role))
        {
            self.keys.make_missing(&role)?;
        }
        self.store.make()?;
        let now = self.clock.now();
        let keys = TOP
            .iter()
            .map(|role| Ok((*role, self.keys.key(&role.to_string())?)))
            .collect::<Result<Vec<_>>>()?;
        let pairs: Vec<(RoleType, &Key)> = keys.iter().map(|(role, key)| (*role, key)).collect();
        let root = roles::first_root(expiry(now, &self.lifetimes.root)?, &pairs)?;
        let root_key = self.keys.key("root")?;
        let (root, bytes) = roles::sign("root", root, &[&root_key])?;
        self.store.write_metadata("1.root.json", &bytes)?;
        let change = self.first_change(channels, now)?;
        let mut empty = Metadata {
            root,
            targets: unsigned(Targets::new(SPEC.to_owned(), NonZeroU64::MIN, now)),
            channels: Default::default(),
            snapshot: unsigned(Snapshot::new(SPEC.to_owned(), NonZeroU64::MIN, now)),
            timestamp: unsigned(tough::schema::Timestamp::new(
                SPEC.to_owned(),
                NonZeroU64::MIN,
                now,
            )),
        };
        empty.targets.signed.delegations = change
            .targets
            .as_ref()
            .and_then(|targets| targets.delegations.clone());
        self.publish(empty, change)
    }

    fn first_change(&self, channels: &[ChannelName], now: Timestamp) -> Result<Change> {
        let mut targets = Targets::new(SPEC.to_owned(), NonZeroU64::MIN, now);
        let mut delegations = Delegations::new();
        let mut change = Change::default();
        for name in channels {
            roles::delegate(&mut delegations, name, &self.keys.key(&name.role())?)?;
            let role = Targets::new(SPEC.to_owned(), NonZeroU64::MIN, now);
            change.channels.push((
                name.clone(),
                self.listing(role, &Channel::empty(name.clone()))?,
            ));
        }
        targets.delegations = Some(delegations);
        change.targets = Some(targets);
        Ok(change)
    }

    /// Offers a release to the nodes that follow a channel.
    ///
    /// # Errors
    /// [`Error::ReleaseMissing`], [`Error::ChannelMissing`], [`Error::AlreadyPromoted`]; those of keys and files.
    pub fn promote(&self, name: &ChannelName, offer: Offer) -> Result<()> {
        let metadata = Metadata::load(&self.store)?;
        if !metadata.has_release(&offer.version) {
            return Err(Error::ReleaseMissing {
                version: offer.version,
            });
        }
        let mut channel = self.store.channel(&metadata, name)?;
        if channel.offer(&offer.version).is_some() {
            return Err(Error::AlreadyPromoted {
                channel: name.to_string(),
                version: offer.version,
            });
        }
        channel.releases.push(offer);
        self.publish_channel(metadata, &channel)
    }

    /// Changes the conditions of a release that a channel offers: pauses it, withdraws it.
    ///
    /// # Errors
    /// [`Error::NotPromoted`], [`Error::ChannelMissing`]; those of keys and files.
    pub fn amend(
        &self,
        name: &ChannelName,
        version: &Version,
        change: impl FnOnce(&mut Offer),
    ) -> Result<()> {
        let metadata = Metadata::load(&self.store)?;
        let mut channel = self.store.channel(&metadata, name)?;
        let offer = channel
            .releases
            .iter_mut()
            .find(|offer| offer.version == *version);
        let missing = || Error::NotPromoted {
            channel: name.to_string(),
            version: version.clone(),
        };
        change(offer.ok_or_else(missing)?);
        self.publish_channel(metadata, &channel)
    }

    fn publish_channel(&self, metadata: Metadata, channel: &Channel) -> Result<()> {
        let role = metadata.channel(&channel.name)?.signed.clone();
        let role = self.listing(role, channel)?;
        let change = Change {
            channels: vec![(channel.name.clone(), role)],
            ..Change::default()
        };
        self.publish(metadata, change)
    }

    /// Writes the channel's document and lists it in its role.
    fn listing(&self, mut role: Targets, channel: &Channel) -> Result<Targets> {
        let bytes = to_json("channel", channel)?;
        self.store.write_document(&channel.name.target(), &bytes)?;
        roles::list(&mut role, &channel.name.target(), &bytes)?;
        Ok(role)
    }

    /// Signs roles again, so that they hold for their lifetimes from now on.
    ///
    /// # Errors
    /// [`Error::ChannelMissing`]; those of keys and files.
    pub fn refresh(&self, renewals: &[Renewal]) -> Result<()> {
        let mut metadata = Metadata::load(&self.store)?;
        let mut change = Change::default();
        for renewal in renewals {
            match renewal {
                Renewal::Root => self.renew_root(&mut metadata)?,
                Renewal::Targets => change.targets = Some(metadata.targets.signed.clone()),
                Renewal::Channel(name) => change
                    .channels
                    .push((name.clone(), metadata.channel(name)?.signed.clone())),
                Renewal::Snapshot => change.snapshot = true,
                Renewal::Timestamp => {}
            }
        }
        if renewals == [Renewal::Root] {
            return Ok(());
        }
        self.publish(metadata, change)
    }

    fn renew_root(&self, metadata: &mut Metadata) -> Result<()> {
        let key = self.trusted(metadata, "root")?;
        let mut root = metadata.root.signed.clone();
        root.version = next("root", root.version)?;
        root.expires = expiry(self.clock.now(), &self.lifetimes.root)?;
        let name = format!("{}.root.json", root.version);
        let (root, bytes) = roles::sign("root", root, &[&key])?;
        metadata.root = root;
        self.store.write_metadata(&name, &bytes)
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
    fn trusted(&self, metadata: &Metadata, role: &str) -> Result<Key> {
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
const TOP: [RoleType; 4] = [
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

fn next(role: &str, version: NonZeroU64) -> Result<NonZeroU64> {
    version.checked_add(1).ok_or_else(|| Error::Sign {
        role: role.to_owned(),
        problem: "its version cannot grow".to_owned(),
    })
}

fn unsigned<T>(signed: T) -> tough::schema::Signed<T> {
    tough::schema::Signed {
        signed,
        signatures: Vec::new(),
    }
}
