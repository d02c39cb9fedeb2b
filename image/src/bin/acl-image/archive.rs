//! The options by which every verb finds its recipe, its archives and its cache.

use std::path::PathBuf;

use acl_image::recipe::Recipe;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The recipe.
    #[arg(long)]
    pub(crate) recipe: PathBuf,
    /// Where packages, archive indexes and tools are kept between builds.
    #[arg(long, default_value = "target/cache")]
    pub(crate) cache: PathBuf,
    /// Leave out a source of the recipe; may be given more than once.
    #[arg(long, value_name = "NAME")]
    without_source: Vec<String>,
    /// Take a source of the recipe from this URL instead of the host's own mirror; may be given more than once.
    #[arg(long, value_name = "NAME=URL", value_parser = mirror)]
    mirror: Vec<(String, String)>,
}

impl Arguments {
    /// The recipe as the options change it.
    pub(crate) fn recipe(&self) -> Result<Recipe, acl_image::Error> {
        let mut recipe = Recipe::read(&self.recipe)?;
        for name in &self.without_source {
            recipe.without_source(name)?;
        }
        for (name, url) in &self.mirror {
            recipe.set_mirror(name, url)?;
        }
        Ok(recipe)
    }
}

fn mirror(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if url.contains(':') && !url.contains(char::is_whitespace) => {
            Ok((name.to_owned(), url.to_owned()))
        }
        _ => Err("it must have the form NAME=URL".to_owned()),
    }
}
