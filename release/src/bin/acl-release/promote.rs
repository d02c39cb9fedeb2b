//! `acl-release promote`

use acl_host::clock::{Clock, SystemClock};
use acl_release::channel::{ChannelName, Offer};
use acl_release::version::Version;
use clap::Args;
use jiff::Timestamp;

use crate::say;
use crate::settings::Settings;

/// Offers a release to the nodes that follow a channel
#[derive(Debug, Args)]
pub(crate) struct Promote {
    #[command(flatten)]
    settings: Settings,
    /// The release
    version: Version,
    /// The channel
    #[arg(long, value_name = "NAME")]
    channel: ChannelName,
    /// When nodes may take it first, such as 2026-11-01T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    starts: Option<Timestamp>,
    /// The oldest release that nodes may come from directly
    #[arg(long, value_name = "VERSION")]
    floor: Option<Version>,
}

impl Promote {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let starts = self.starts.unwrap_or_else(this_second);
        let offer = Offer {
            floor: self.floor,
            ..Offer::new(self.version.clone(), starts)
        };
        self.settings.publisher()?.promote(&self.channel, offer)?;
        say(format_args!(
            "{} is in channel {}",
            self.version, self.channel
        ))
    }
}

/// A time as an operator types it.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_parser: jiff::Error| {
        "write date, time and zone, such as 2026-12-01T08:00:00Z or 2026-12-01T09:00:00+01:00"
            .to_owned()
    })
}

/// Fractions of a second say nothing to an operator.
fn this_second() -> Timestamp {
    let now = SystemClock.now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
