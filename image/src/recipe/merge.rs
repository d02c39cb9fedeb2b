//! Variants: a recipe that extends another is read after it, so that what it says comes on top.

use std::path::Path;

use super::Place;
use super::written::File;
use crate::Error;

/// How many recipes may extend each other; more is taken for a circle.
const DEPTH: usize = 8;

/// Reads the recipe at `path` and those that it extends, the outermost base first.
pub(super) fn read(path: &Path) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    let mut next = Some((path.to_owned(), None));
    while let Some((path, named_by)) = next {
        if files.len() == DEPTH {
            return Err(Error::ExtendsTooDeep { path, depth: DEPTH });
        }
        let file = File::parse(&path, text(&path, named_by)?)?;
        let base = file.recipe.extends.as_ref();
        next = base.map(|base| (beside(&path, base.get_ref()), Some(file.place(base))));
        files.push(file);
    }
    files.reverse();
    Ok(files)
}

/// The content of the recipe at `path`; `named_by` is the line that names it, if a recipe does.
fn text(path: &Path, named_by: Option<Place>) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::ReadRecipe {
        place: named_by.map_or_else(String::new, |place| format!("{place}: ")),
        path: path.to_owned(),
        source,
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let place = Place::of(path, error.as_bytes(), error.utf8_error().valid_up_to());
        Error::Recipe {
            place,
            reason: "this is not text in UTF-8".to_owned(),
        }
    })
}

/// A path that the recipe at `recipe` names: relative to it.
pub(super) fn beside(recipe: &Path, path: &Path) -> std::path::PathBuf {
    recipe.parent().unwrap_or(Path::new("")).join(path)
}
