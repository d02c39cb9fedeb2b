//! `acl-release pause`, `resume`, `withdraw` and `amend`

use acl_release::channel::{ChannelName, Offer};
use acl_release::repository::publish::Publisher;
use acl_release::version::Version;
use clap::{ArgGroup, Args};
use jiff::Timestamp;

use crate::say;
use crate::settings::Settings;

/// A release in a channel.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    settings: Settings,
    /// The release
    version: Version,
    /// The channel
    #[arg(long, value_name = "NAME")]
    channel: ChannelName,
}

/// Keeps nodes from taking a release for now
#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    place: Place,
}

/// Offers a paused release again
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    place: Place,
}

/// Takes a release back for good; nodes that run it stay on it until a newer one comes
#[derive(Debug, Args)]
pub(crate) struct Withdraw {
    #[command(flatten)]
    place: Place,
    /// Why, as `aclctl check --explain` shows it
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Corrects the conditions of a release that a channel offers
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("condition").required(true).multiple(true))]
pub(crate) struct Amend {
    #[command(flatten)]
    place: Place,
    /// When nodes may take it first, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", group = "condition", value_parser = super::promote::time)]
    starts: Option<Timestamp>,
    /// The oldest release that nodes may come from directly
    #[arg(long, value_name = "VERSION", group = "condition")]
    floor: Option<Version>,
    /// Nodes may come from any older release
    #[arg(long, group = "condition", conflicts_with = "floor")]
    no_floor: bool,
}

impl Place {
    /// Makes the change, and says what holds now and whether it held before.
    fn change(
        self,
        state: &str,
        change: impl FnOnce(&Publisher, &ChannelName, &Version) -> acl_release::Result<bool>,
    ) -> anyhow::Result<()> {
        let publisher = self.settings.publisher()?;
        let (version, channel) = (&self.version, &self.channel);
        match change(&publisher, channel, version)? {
            true => say(format_args!("{version} is {state} in channel {channel}")),
            false => say(format_args!(
                "{version} is {state} in channel {channel} already; nothing changed"
            )),
        }
    }
}

impl Pause {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.place.change("paused", Publisher::pause)
    }
}

impl Resume {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.place.change("offered", Publisher::resume)
    }
}

impl Withdraw {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let withdrawn = |offer: &mut Offer| offer.withdrawn = Some(self.reason);
        let change = |publisher: &Publisher, channel: &_, version: &_| {
            publisher.amend(channel, version, withdrawn)
        };
        self.place.change("withdrawn", change)
    }
}

impl Amend {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (starts, floor, no_floor) = (self.starts, self.floor, self.no_floor);
        let conditions = |offer: &mut Offer| {
            offer.starts = starts.unwrap_or(offer.starts);
            offer.floor = match no_floor {
                true => None,
                false => floor.or_else(|| offer.floor.take()),
            };
        };
        let change = |publisher: &Publisher, channel: &_, version: &_| {
            publisher.amend(channel, version, conditions)
        };
        self.place.change("offered as asked", change)
    }
}
