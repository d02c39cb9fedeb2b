//! What a channel offers: releases come in, and their conditions change.

use tough::schema::Targets;

use crate::channel::{Channel, ChannelName, MOST_RELEASES, Offer};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::repository::documents::{LONGEST_CHANNEL, check_length};
use crate::repository::publish::{Change, Publisher};
use crate::repository::store::{Metadata, to_json};
use crate::trust::roles;
use crate::version::Version;

impl Publisher {
    /// Offers a release to the nodes that follow a channel.
    ///
    /// # Errors
    /// [`Error::ReleaseMissing`], [`Error::ChannelMissing`], [`Error::AlreadyPromoted`]; [`Error::ChannelFull`],
    /// [`Error::DocumentTooLong`] when nodes would refuse the channel; [`Error::FloorAbove`];
    /// [`Error::ForeignImage`] when the channel offers releases of another image; those of keys and files.
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
        if channel.releases.len() >= MOST_RELEASES {
            return Err(Error::ChannelFull {
                channel: name.to_string(),
                limit: MOST_RELEASES,
            });
        }
        check_floor(&offer)?;
        fits(&channel, &self.store.manifests(&metadata)?, &offer.version)?;
        channel.releases.push(offer);
        self.publish_channel(metadata, &channel)
    }

    /// Offers a release no longer for now. Whether that changed anything.
    ///
    /// # Errors
    /// Those of [`Publisher::amend`].
    pub fn pause(&self, name: &ChannelName, version: &Version) -> Result<bool> {
        self.change(name, version, |offer| {
            may_return(name, offer)?;
            offer.paused = true;
            Ok(())
        })
    }

    /// Offers a paused release again. Whether that changed anything.
    ///
    /// # Errors
    /// Those of [`Publisher::amend`].
    pub fn resume(&self, name: &ChannelName, version: &Version) -> Result<bool> {
        self.change(name, version, |offer| {
            may_return(name, offer)?;
            offer.paused = false;
            Ok(())
        })
    }

    /// Changes the conditions of a release that a channel offers. Whether that changed anything.
    ///
    /// # Errors
    /// [`Error::NotPromoted`], [`Error::ChannelMissing`]; [`Error::WithdrawnForGood`] when the release is withdrawn and
    /// anything but the reason of that changes; [`Error::FloorAbove`]; those of keys and files.
    pub fn amend(
        &self,
        name: &ChannelName,
        version: &Version,
        change: impl FnOnce(&mut Offer),
    ) -> Result<bool> {
        self.change(name, version, |offer| {
            let before = offer.clone();
            change(offer);
            let reason_only = offer.withdrawn.is_some()
                && Offer {
                    withdrawn: before.withdrawn.clone(),
                    ..offer.clone()
                } == before;
            match reason_only {
                true => Ok(()),
                false => may_return(name, &before),
            }
        })
    }

    fn change(
        &self,
        name: &ChannelName,
        version: &Version,
        change: impl FnOnce(&mut Offer) -> Result<()>,
    ) -> Result<bool> {
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
        let offer = offer.ok_or_else(missing)?;
        let before = offer.clone();
        change(offer)?;
        if *offer == before {
            return Ok(false);
        }
        if offer.floor != before.floor {
            check_floor(offer)?;
        }
        self.publish_channel(metadata, &channel)?;
        Ok(true)
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
        check_length(
            &channel.name.target(),
            &bytes,
            LONGEST_CHANNEL,
            "give shorter reasons for releases that are withdrawn",
        )?;
        self.store.write_document(&channel.name.target(), &bytes)?;
        roles::list(&mut role, &channel.name.target(), &bytes)?;
        Ok(role)
    }
}

/// A withdrawn release never comes back.
fn may_return(name: &ChannelName, offer: &Offer) -> Result<()> {
    match &offer.withdrawn {
        None => Ok(()),
        Some(reason) => Err(Error::WithdrawnForGood {
            channel: name.to_string(),
            version: offer.version.clone(),
            reason: reason.clone(),
        }),
    }
}

/// A node that runs the floor must be older than the release, or the release is offered to nobody.
fn check_floor(offer: &Offer) -> Result<()> {
    match &offer.floor {
        Some(floor) if *floor >= offer.version => Err(Error::FloorAbove {
            version: offer.version.clone(),
            floor: floor.clone(),
        }),
        _ => Ok(()),
    }
}

/// Whether a release is of the image that the channel's other releases are of.
fn fits(channel: &Channel, known: &[Manifest], version: &Version) -> Result<()> {
    let image = |of: &Version| {
        let manifest = known.iter().find(|manifest| manifest.version == *of);
        manifest.map(|manifest| manifest.image_id.as_str())
    };
    let Some(found) = image(version) else {
        return Ok(());
    };
    let offered = channel.releases.iter().map(|offer| &offer.version);
    match offered
        .filter_map(image)
        .find(|expected| *expected != found)
    {
        None => Ok(()),
        Some(expected) => Err(Error::ForeignImage {
            version: version.clone(),
            found: found.to_owned(),
            holder: format!("channel '{}'", channel.name),
            expected: expected.to_owned(),
        }),
    }
}
