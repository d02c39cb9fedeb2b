//! `acl-image compose`: only the tree of packages, to look at.

use std::path::{Path, PathBuf};

use acl_image::archive::mirror::HostMirrors;
use acl_image::archive::store::Store;
use acl_image::progress::step;
use acl_image::recipe::Recipe;
use acl_image::resolve::{Mirrors, Resolver};
use acl_image::step::compose;

/// Resolves, fetches and unpacks the packages of a recipe, and stops there.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The recipe.
    #[arg(long)]
    recipe: PathBuf,
    /// The directory to make.
    #[arg(long)]
    out: PathBuf,
    /// Where packages and tools are kept between builds.
    #[arg(long, default_value = "target/cache")]
    cache: PathBuf,
    /// Leave out a source of the recipe.
    #[arg(long, value_name = "NAME")]
    without_source: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut recipe = Recipe::read(&arguments.recipe)?;
    for name in &arguments.without_source {
        recipe.without_source(name)?;
    }
    let mirrors = Mirrors::find(&recipe, &HostMirrors::read(Path::new("/"))?)?;
    let indexes = arguments.cache.join("apt");
    let lock = step("resolve", || {
        Resolver::new(&recipe, &mirrors, &indexes).lock()
    })?;
    let store = Store::open(&arguments.cache.join("packages"))?;
    step("fetch", || {
        store.fetch(&lock.all(), |name| mirrors.of(name))
    })?;
    std::fs::create_dir_all(&arguments.out)?;
    step("compose", || {
        compose::compose(&recipe, &lock, &store, &arguments.out)
    })?;
    Ok(())
}
