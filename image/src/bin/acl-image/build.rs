//! `acl-image build`: a recipe becomes the files of a release.

use std::path::PathBuf;

use acl_host::clock::{Clock, SystemClock};
use acl_image::build::{Format, Request, build};
use anyhow::Context;

use crate::{archive, keys};

/// Builds a recipe: /usr with its verity tree and signature, the signed kernel image, and a disk image.
///
/// The path of the build description, which names the other files, goes to standard output.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    archive: archive::Arguments,
    /// The version that the image gets.
    #[arg(long)]
    version: String,
    /// The directory for the files; made if it is not there.
    #[arg(long)]
    out: PathBuf,
    /// The keys, as `acl-image keys init` makes them [default: ~/.local/share/acl/image-keys].
    #[arg(long)]
    keys: Option<PathBuf>,
    /// The directory of the own programs that the recipe names [default: that of acl-image itself].
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Build from exactly the packages of this lock, as an earlier build wrote it.
    #[arg(long, value_name = "LOCK")]
    locked: Option<PathBuf>,
    /// Refuse archives that are older than those of this lock, as an earlier build wrote it.
    #[arg(long, value_name = "LOCK")]
    after: Option<PathBuf>,
    /// Formats of the disk image besides raw.
    #[arg(long, value_delimiter = ',')]
    format: Vec<Format>,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let recipe = arguments.archive.recipe()?;
    let request = Request {
        version: arguments.version,
        out: arguments.out,
        keys: keys::named_or_usual(arguments.keys.as_deref())?,
        programs: programs(arguments.programs)?,
        cache: arguments.archive.cache,
        locked: arguments.locked,
        after: arguments.after,
        formats: arguments.format,
        now: SystemClock.now(),
    };
    let built = build(&recipe, &request)?;
    acl_host::output::print(format_args!("{}", built.description.display()))?;
    Ok(())
}

fn programs(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(directory) = named {
        return Ok(directory);
    }
    let own = std::env::current_exe()
        .context("cannot find the program's own directory: name it with --programs")?;
    Ok(own.parent().unwrap_or(&own).to_owned())
}
