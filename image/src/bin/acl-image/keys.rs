//! `acl-image keys init`: keys for trying out.

use std::path::PathBuf;

use acl_host::clock::{Clock, SystemClock};

/// Keys that sign images.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Makes a set of keys for trying out; what is there is kept.
    Init {
        /// The directory, which must never become part of a repository.
        directory: PathBuf,
    },
}

pub(crate) fn run(verb: &Verb) -> anyhow::Result<()> {
    let Verb::Init { directory } = verb;
    acl_image::keys::init(directory, SystemClock.now())?;
    acl_image::progress::note(&format!("the keys are in {}", directory.display()));
    Ok(())
}
