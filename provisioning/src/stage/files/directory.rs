//! One directory of `storage.directories`.

use super::owner;
use crate::config::spec::Directory;
use crate::root::{DIRECTORY_MODE, Kind, Root};
use crate::{Error, Result};

/// Makes it. One that is there keeps its contents, and its mode and owner where none are given (Ignition spec,
/// `storage.directories.overwrite`). Tells what was done.
pub(super) fn make(directory: &Directory, root: &Root) -> Result<&'static str> {
    let owner = owner::of(
        &directory.path,
        directory.user.as_ref(),
        directory.group.as_ref(),
        root,
    )?;
    let mode = owner::mode(directory.mode);
    let place = root.place(&directory.path)?;
    if directory.overwrite == Some(true) {
        place.remove()?;
    }
    match place.node()? {
        None => place
            .make_directory(mode.unwrap_or(DIRECTORY_MODE), owner)
            .map(|_| "directory made"),
        Some(node) if node.kind == Kind::Directory => place
            .set(mode, owner)
            .map(|()| "directory is there already"),
        Some(node) => Err(Error::Occupied {
            path: place.path().to_owned(),
            wanted: Kind::Directory,
            found: node.kind,
        }),
    }
}
