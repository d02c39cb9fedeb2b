//! Variants: a recipe that extends another is read after it, so that what it says comes on top.

use std::path::Path;

use super::written::File;
use crate::Error;

/// How many recipes may extend each other; more is taken for a circle.
const DEPTH: usize = 8;

/// Reads the recipe at `path` and those that it extends, the outermost base first.
pub(super) fn read(path: &Path) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        if files.len() == DEPTH {
            return Err(Error::ExtendsTooDeep { path, depth: DEPTH });
        }
        let file = File::parse(&path, super::text(&path)?)?;
        next = file
            .recipe
            .extends
            .as_deref()
            .map(|base| beside(&path, base));
        files.push(file);
    }
    files.reverse();
    Ok(files)
}

/// A path that the recipe at `recipe` names: relative to it.
pub(super) fn beside(recipe: &Path, path: &Path) -> std::path::PathBuf {
    recipe.parent().unwrap_or(Path::new("")).join(path)
}
