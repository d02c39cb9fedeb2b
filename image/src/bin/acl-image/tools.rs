//! `acl-image tools`: the tools tree of a recipe.

use std::path::Path;

use acl_image::archive::mirror::HostMirrors;
use acl_image::archive::store::Store;
use acl_image::progress::step;
use acl_image::resolve::{Mirrors, Resolver};
use acl_image::tools_tree;

use crate::archive;

/// Makes the tools tree of a recipe, or finds it in the cache, and prints its path.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    archive: archive::Arguments,
    /// With the tools that only tests need, QEMU among them.
    #[arg(long)]
    test: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let recipe = arguments.archive.recipe()?;
    let cache = &arguments.archive.cache;
    let mirrors = Mirrors::find(&recipe, &HostMirrors::read(Path::new("/"))?)?;
    let mut packages = recipe.tools.build.clone();
    if arguments.test {
        packages.extend(recipe.tools.test.iter().cloned());
    }
    let indexes = cache.join("apt");
    let packages = step("resolve tools", || {
        Resolver::new(&recipe, &mirrors, &indexes).tools(&packages)
    })?;
    let store = Store::open(&cache.join("packages"))?;
    step("fetch tools", || {
        store.fetch(&packages, |name| mirrors.of(name))
    })?;
    let tree = step("tools tree", || {
        tools_tree::directory(&packages, &store, cache)
    })?;
    acl_host::output::print(format_args!("{}", std::path::absolute(tree)?.display()))?;
    Ok(())
}
