//! `acl-release pause`, `resume` and `withdraw`

use acl_release::channel::{ChannelName, Offer};
use acl_release::version::Version;
use clap::Args;

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

impl Place {
    fn amend(self, done: &str, change: impl FnOnce(&mut Offer)) -> anyhow::Result<()> {
        self.settings
            .publisher()?
            .amend(&self.channel, &self.version, change)?;
        say(format_args!(
            "{} is {done} in channel {}",
            self.version, self.channel
        ))
    }
}

impl Pause {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.place.amend("paused", |offer| offer.paused = true)
    }
}

impl Resume {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.place
            .amend("offered again", |offer| offer.paused = false)
    }
}

impl Withdraw {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.place
            .amend("withdrawn", |offer| offer.withdrawn = Some(self.reason))
    }
}
