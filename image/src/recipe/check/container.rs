//! Containers: their names, their programs, and that no two would be one file.

use toml::Spanned;

use super::{at, named, relative};
use crate::Error;
use crate::oci::Reference;
use crate::recipe::Container;
use crate::recipe::written::File;

/// Adds the containers of `file` to those of the recipes before it.
pub(super) fn add(file: &File, containers: &mut Vec<Container>) -> Result<(), Error> {
    for written in &file.recipe.containers {
        let reference = reference(file, &written.reference)?;
        let other = containers.iter().map(|container| &container.reference);
        if let Some(other) = other
            .into_iter()
            .find(|other| other.name() == reference.name())
        {
            let reason =
                format!("{reference} would take the file of {other}: give it another name");
            return Err(at(&file.place(&written.reference), reason));
        }
        relative(file, &written.program)?;
        containers.push(Container {
            reference,
            program: named(file, &written.program),
            entrypoint: entrypoint(file, &written.entrypoint)?,
        });
    }
    Ok(())
}

fn reference(file: &File, text: &Spanned<String>) -> Result<Reference, Error> {
    let text_of = text.get_ref();
    text_of.parse().map_err(|why| {
        let reason = format!("{text_of:?} is no whole name of a container image: {why}");
        at(&file.place(text), reason)
    })
}

/// The first word says where the program lies.
fn entrypoint(file: &File, words: &Spanned<Vec<String>>) -> Result<Vec<String>, Error> {
    let first = words.get_ref().first().map_or("", String::as_str);
    let plain = |part| !matches!(part, "" | "." | "..");
    match first.strip_prefix('/') {
        Some(path) if path.split('/').all(plain) => Ok(words.get_ref().clone()),
        _ => {
            let reason = format!(
                "entrypoint begins with {first:?}; it must begin with the absolute path of the program in the container"
            );
            Err(at(&file.place(words), reason))
        }
    }
}
