//! `acl-image compose`: only the tree of packages, to look at.

use std::path::{Path, PathBuf};

use acl_image::archive::mirror::HostMirrors;
use acl_image::archive::store::Store;
use acl_image::progress::step;
use acl_image::resolve::{Mirrors, Resolver};
use acl_image::step::compose;
use anyhow::Context;

use crate::archive;

/// Resolves, fetches and unpacks the packages of a recipe, and stops there.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    archive: archive::Arguments,
    /// The directory to make.
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let recipe = arguments.archive.recipe()?;
    let cache = &arguments.archive.cache;
    let mirrors = Mirrors::find(&recipe, &HostMirrors::read(Path::new("/"))?)?;
    let indexes = cache.join("apt");
    let lock = step("resolve packages", || {
        Resolver::new(&recipe, &mirrors, &indexes).lock()
    })?;
    let store = Store::open(&cache.join("packages"))?;
    step("fetch packages", || {
        store.fetch(&lock.all(), |name| mirrors.of(name))
    })?;
    let out = &arguments.out;
    std::fs::create_dir(out).with_context(|| format!("cannot make {}", out.display()))?;
    step("compose", || compose::compose(&recipe, &lock, &store, out))?;
    Ok(())
}
