//! What is laid over the packages: file trees and own programs.
//!
//! Modes come down to two, so that neither the umask nor the checkout of the build host shows in an image: 0755 for
//! directories and what is executable, 0644 for the rest.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use acl_host::tool::{Tool, Tools};

use crate::Error;
use crate::recipe::{Layer, Program};

/// Copies `layer` over `tree`. A file or link replaces what has its name; a directory joins the one that is there.
///
/// # Errors
/// [`Error::ChangeTree`] with the path in the tree, also where a directory would have to replace something else.
pub fn layer(layer: &Layer, tree: &Path) -> Result<(), Error> {
    copy(&layer.path, tree)
}

/// The files of `programs` in `directory`, checked to be there.
///
/// # Errors
/// [`Error::NoProgram`]; [`Error::ReadInput`] where it cannot be looked at.
pub fn find_programs(programs: &[Program], directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let found = programs.iter().map(|program| {
        let path = directory.join(&program.name);
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => Ok(path),
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::ReadInput { path, source })
            }
            _ => Err(Error::NoProgram { path }),
        }
    });
    found.collect()
}

/// Puts `file` into the tree as `program` says, without symbols and debugging information.
///
/// # Errors
/// [`Error::ChangeTree`]; [`Error::Host`] from `strip`.
pub fn program(program: &Program, file: &Path, tree: &Path, tools: &Tools) -> Result<(), Error> {
    let place = tree.join(&program.path);
    let parent = place.parent().unwrap_or(tree);
    fs::create_dir_all(parent).map_err(|error| change(parent, error))?;
    let strip = tools.command(Tool::Strip).arg("--strip-all").arg("-o");
    strip.arg(&place).arg(file).run()?;
    mode(&place, 0o755)
}

/// Puts a file of `bytes` at `place`.
///
/// # Errors
/// [`Error::ChangeTree`], [`Error::Host`].
pub fn file(place: &Path, bytes: &[u8]) -> Result<(), Error> {
    let parent = place.parent().unwrap_or(place);
    fs::create_dir_all(parent).map_err(|error| change(parent, error))?;
    acl_host::file::scratch(place, bytes)?;
    mode(place, 0o644)
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let read = |source| Error::ReadInput {
        path: from.to_owned(),
        source,
    };
    for entry in fs::read_dir(from).map_err(read)? {
        let entry = entry.map_err(read)?;
        let (source, place) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(read)?;
        if kind.is_dir() {
            make_directory(&place)?;
            copy(&source, &place)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&source).map_err(read)?;
            make_way(&place)?;
            symlink(target, &place).map_err(|error| change(&place, error))?;
        } else {
            make_way(&place)?;
            fs::copy(&source, &place).map_err(|error| change(&place, error))?;
            let executable = entry.metadata().map_err(read)?.permissions().mode() & 0o111 != 0;
            mode(&place, if executable { 0o755 } else { 0o644 })?;
        }
    }
    Ok(())
}

fn make_directory(place: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(place) {
        Ok(there) if there.is_dir() => Ok(()),
        // Through a link, files would land in another place than the layer says, or outside of the tree.
        Ok(_) => Err(change(
            place,
            io::Error::other("the packages have no directory there"),
        )),
        Err(_) => {
            fs::create_dir(place).map_err(|error| change(place, error))?;
            mode(place, 0o755)
        }
    }
}

fn make_way(place: &Path) -> Result<(), Error> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(change(place, error)),
        _ => Ok(()),
    }
}

fn mode(place: &Path, mode: u32) -> Result<(), Error> {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(place, permissions).map_err(|error| change(place, error))
}

fn change(place: &Path, source: io::Error) -> Error {
    Error::ChangeTree {
        path: place.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::layer;
    use crate::recipe::Layer;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn lay(from: &Path, to: &Path) -> Result<(), String> {
        let over = Layer {
            path: from.to_owned(),
            reason: "test".to_owned(),
        };
        layer(&over, to)
            .map_err(|error| acl_host::error::chain(&error).replace(to.to_str().unwrap(), "TREE"))
    }

    #[test]
    fn files_replace_and_directories_join() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let put = |root: &Path, path: &str, text: &str, mode: u32| {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            acl_host::file::scratch(root.join(path), text.as_bytes()).unwrap();
            std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode))
                .unwrap();
        };
        put(to.path(), "etc/kept", "package", 0o644);
        put(to.path(), "etc/replaced", "package", 0o600);
        put(from.path(), "etc/replaced", "layer", 0o664);
        put(from.path(), "usr/bin/tool", "tool", 0o700);
        symlink("kept", from.path().join("etc/link")).unwrap();
        lay(from.path(), to.path()).unwrap();
        lay(from.path(), to.path()).unwrap();
        let look = |path: &str| {
            let path = to.path().join(path);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            (std::fs::read_to_string(path).unwrap(), mode)
        };
        assert_eq!(look("etc/kept"), ("package".to_owned(), 0o644));
        assert_eq!(look("etc/replaced"), ("layer".to_owned(), 0o644));
        assert_eq!(look("etc/link"), ("package".to_owned(), 0o644));
        assert_eq!(look("usr/bin/tool"), ("tool".to_owned(), 0o755));
    }

    #[test]
    fn nothing_is_laid_through_a_link() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(from.path().join("lib")).unwrap();
        symlink("usr/lib", to.path().join("lib")).unwrap();
        let error = lay(from.path(), to.path()).unwrap_err();
        assert_eq!(
            error,
            "cannot change TREE/lib in the composed tree: the packages have no directory there"
        );
    }
}
