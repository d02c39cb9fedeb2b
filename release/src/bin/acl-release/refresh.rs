//! `acl-release refresh`

use acl_release::repository::refresh::Renewal;
use clap::Args;

use crate::say;
use crate::settings::Settings;

/// Signs roles again before they expire
#[derive(Debug, Args)]
pub(crate) struct Refresh {
    #[command(flatten)]
    settings: Settings,
    /// A role: root, targets, snapshot, timestamp, channel-NAME; may be given several times
    #[arg(long = "role", value_name = "ROLE", value_parser = parse, default_values = ["snapshot", "timestamp"])]
    roles: Vec<Renewal>,
}

impl Refresh {
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        self.roles.sort();
        self.roles.dedup();
        let dir = self.settings.repository.clone();
        self.settings.publisher()?.refresh(&self.roles)?;
        say(format_args!("refreshed {}", dir.display()))
    }
}

fn parse(text: &str) -> Result<Renewal, String> {
    match text {
        "root" => Ok(Renewal::Root),
        "targets" => Ok(Renewal::Targets),
        "snapshot" => Ok(Renewal::Snapshot),
        "timestamp" => Ok(Renewal::Timestamp),
        other => match other.strip_prefix("channel-").map(str::parse) {
            Some(Ok(name)) => Ok(Renewal::Channel(name)),
            _ => Err("root, targets, snapshot, timestamp or channel-NAME is expected".to_owned()),
        },
    }
}
