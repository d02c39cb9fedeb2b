//! `acl-image keys init`: keys for trying out.

use std::path::{Path, PathBuf};

use acl_host::clock::{Clock, SystemClock};
use acl_host::private;

/// Keys that sign images.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Makes a set of keys for trying out; what is there is kept.
    Init {
        /// The directory, outside of every git work tree [default: ~/.local/share/acl/image-keys].
        directory: Option<PathBuf>,
        /// Make them although the directory lies in a git work tree, from where they get into commits.
        #[arg(long)]
        in_work_tree: bool,
    },
}

pub(crate) fn run(verb: &Verb) -> anyhow::Result<()> {
    let Verb::Init {
        directory,
        in_work_tree,
    } = verb;
    let directory = named_or_usual(directory.as_deref())?;
    if !in_work_tree {
        private::refuse_work_tree(&directory).map_err(acl_image::Error::from)?;
    }
    acl_image::keys::init(&directory, SystemClock.now())?;
    acl_image::progress::note(&format!("the keys are in {}", directory.display()));
    Ok(())
}

/// The directory of the keys that someone named, or the usual one.
pub(crate) fn named_or_usual(named: Option<&Path>) -> Result<PathBuf, acl_image::Error> {
    match named {
        Some(directory) => Ok(directory.to_owned()),
        None => Ok(private::usual_directory("image-keys")?),
    }
}
