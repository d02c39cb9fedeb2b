//! `acl-release add`

use std::path::PathBuf;

use acl_release::repository::add::{Added, Doing, Effort, Outcome};
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
    /// How hard zstd tries with whole files, 1 (fast) to 19 (slow)
    #[arg(long, value_name = "LEVEL", default_value_t = Effort::default().level, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// How many of the releases before get a patch, from which a node fetches little
    #[arg(long, value_name = "COUNT", default_value_t = Effort::default().patches)]
    patches: usize,
    /// How hard zstd tries with patches, 1 (fast) to 19 (slow)
    #[arg(long, value_name = "LEVEL", default_value_t = Effort::default().patch_level, value_parser = clap::value_parser!(i32).range(1..=19))]
    patch_level: i32,
}

impl Add {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let publisher = self.settings.publisher()?;
        let effort = Effort {
            level: self.level,
            patches: self.patches,
            patch_level: self.patch_level,
        };
        let added = publisher.add(&self.build, &effort, &mut |doing| match doing {
            Doing::Pack(part, size) => tracing::info!(%part, size, "packing"),
            Doing::Packed {
                part,
                chunks,
                taken,
            } => tracing::info!(%part, chunks, taken, "packed"),
            Doing::Compare(part, from) => tracing::info!(%part, %from, "comparing"),
        })?;
        report(&added)
    }
}

fn report(added: &Added) -> anyhow::Result<()> {
    let manifest = &added.manifest;
    let release = format!("{} for {}", manifest.version, manifest.arch);
    match added.outcome {
        Outcome::New => {
            let bytes = manifest.download_size();
            say(format_args!("added {release}: {bytes} bytes to fetch"))?;
        }
        Outcome::Mended(1) => say(format_args!(
            "{release} was there already; 1 damaged file is whole again"
        ))?,
        Outcome::Mended(files) => say(format_args!(
            "{release} was there already; {files} damaged files are whole again"
        ))?,
        Outcome::Unchanged => {
            return say(format_args!(
                "{release} is in the repository already; nothing changed"
            ));
        }
    }
    for patch in &manifest.patches {
        let (from, bytes) = (&patch.version, manifest.patched_size(patch));
        say(format_args!("  from {from}: {bytes} bytes"))?;
    }
    Ok(())
}
