//! `acl-release init`

use acl_host::private;
use acl_release::channel::ChannelName;
use clap::Args;

use crate::say;
use crate::settings::Settings;

/// Makes an empty repository, and keys for roles that have none (for trying out: real keys belong elsewhere)
#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    settings: Settings,
    /// A channel; may be given several times
    #[arg(long = "channel", value_name = "NAME", default_value = "stable")]
    channels: Vec<ChannelName>,
    /// Make keys although their directory lies in a git work tree, from where they get into commits
    #[arg(long)]
    in_work_tree: bool,
}

impl Init {
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let dir = self.settings.repository.clone();
        let keys = self.settings.keys();
        if let Some(keys) = keys.as_deref().filter(|_| !self.in_work_tree) {
            private::refuse_work_tree(keys).map_err(acl_release::Error::from)?;
        }
        self.channels.sort();
        self.channels.dedup();
        self.settings.publisher()?.init(&self.channels)?;
        say(format_args!(
            "made {}; nodes trust {}",
            dir.display(),
            dir.join("metadata/1.root.json").display()
        ))?;
        match keys {
            Some(keys) => say(format_args!("the keys are in {}", keys.display())),
            None => Ok(()),
        }
    }
}
