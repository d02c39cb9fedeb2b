//! `acl-release add`

use std::path::PathBuf;

use acl_release::payload::pack::USUAL_LEVEL;
use clap::Args;

use crate::say;
use crate::settings::Settings;

/// Adds a build to the repository; nodes do not see it before it is promoted to a channel
#[derive(Debug, Args)]
pub(crate) struct Add {
    #[command(flatten)]
    settings: Settings,
    /// The directory that `acl-image build --out` wrote, or the description of one build in it
    #[arg(long, value_name = "DIR")]
    build: PathBuf,
    /// How hard zstd tries, 1 (fast) to 19 (slow)
    #[arg(long, value_name = "LEVEL", default_value_t = USUAL_LEVEL, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
}

impl Add {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let publisher = self.settings.publisher()?;
        let manifest = publisher.add(&self.build, self.level, &mut |part, size| {
            tracing::info!(%part, size, "packing");
        })?;
        let bytes = manifest.download_size();
        say(format_args!(
            "added {} for {}: {bytes} bytes to fetch",
            manifest.version, manifest.arch
        ))
    }
}
