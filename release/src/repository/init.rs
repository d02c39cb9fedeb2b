//! An empty repository: the first version of every role.

use std::num::NonZeroU64;

use jiff::Timestamp;
use tough::schema::{Delegations, RoleType, Snapshot, Targets};

use crate::channel::{Channel, ChannelName};
use crate::error::{Error, Result};
use crate::repository::publish::{Change, Publisher, TOP};
use crate::repository::store::Metadata;
use crate::trust::keys::Key;
use crate::trust::roles::{self, SPEC, expiry};

impl Publisher {
    /// Makes an empty repository with these channels, and keys for roles that have none.
    ///
    /// # Errors
    /// [`Error::RepositoryExists`]; [`Error::KeyExists`]; those of keys and files.
    pub fn init(&self, channels: &[ChannelName]) -> Result<()> {
        if self.store.exists()? {
            return Err(Error::RepositoryExists {
                path: self.store.dir().to_owned(),
            });
        }
        let top = TOP.map(|role| role.to_string()).into_iter();
        let all: Vec<_> = top.chain(channels.iter().map(ChannelName::role)).collect();
        self.keys.refuse_shared(&all)?;
        for role in &all {
            self.keys.make_missing(role)?;
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
            channels: std::collections::BTreeMap::new(),
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
}

fn unsigned<T>(signed: T) -> tough::schema::Signed<T> {
    tough::schema::Signed {
        signed,
        signatures: Vec::new(),
    }
}
