//! What a channel offers: releases come in, and their conditions change.

use tough::schema::Targets;

use crate::channel::{Channel, ChannelName, Offer};
use crate::error::{Error, Result};
use crate::repository::publish::{Change, Publisher};
use crate::repository::store::{Metadata, to_json};
use crate::trust::roles;
use crate::version::Version;

impl Publisher {
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
    pub(crate) fn listing(&self, mut role: Targets, channel: &Channel) -> Result<Targets> {
        let bytes = to_json("channel", channel)?;
        self.store.write_document(&channel.name.target(), &bytes)?;
        roles::list(&mut role, &channel.name.target(), &bytes)?;
        Ok(role)
    }
}
