//! Signing again what would expire.

use crate::channel::ChannelName;
use crate::error::Result;
use crate::repository::publish::{Change, Publisher, next};
use crate::repository::store::Metadata;
use crate::trust::roles::{self, expiry};

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

impl Publisher {
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
}
