//! Links in `/etc` that enable a unit, taken away where the config disables it.
//!
//! A preset alone does not disable what is enabled: at first boot systemd only enables by it. Ignition calls
//! `systemctl --root disable` here, which an initrd need not have.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::root::{Kind, Place, Root};

use super::search::DIRECTORIES;
use super::{NOWHERE, UNITS};

/// Directories of dependencies that `WantedBy=`, `RequiredBy=` and `UpheldBy=` put links into.
const DEPENDENCIES: [&str; 3] = ["wants", "requires", "upholds"];

/// Removes the links to the unit in directories of dependencies, and other names that are links to it.
pub(super) fn remove(name: &str, root: &Root) -> Result<()> {
    for entry in root.list(UNITS)? {
        let path = Path::new(UNITS).join(&entry);
        if is_dependencies(&path) {
            // One to nowhere hides a link of the image, and so keeps the unit off.
            let is_link = |target: &Path| target != Path::new(NOWHERE);
            remove_link(root.find(path.join(name))?, is_link)?;
        } else if entry != name {
            let leads_there = |target: &Path| target.file_name() == Some(OsStr::new(name));
            remove_link(root.find(path)?, leads_there)?;
        }
    }
    Ok(())
}

/// Links of the image, which cannot be removed, that enable the unit all the same; those that the operator hid behind one
/// of the same name in `/etc` do not.
pub(super) fn of_image(name: &str, root: &Root) -> Result<Vec<PathBuf>> {
    let mut links = Vec::new();
    for directory in DIRECTORIES.into_iter().filter(|place| *place != UNITS) {
        for entry in root.list(directory)? {
            let path = Path::new(directory).join(&entry);
            if !is_dependencies(&path) {
                continue;
            }
            let hidden = Path::new(UNITS).join(&entry).join(name);
            if exists(&path.join(name), root)? && !exists(&hidden, root)? {
                links.push(path.join(name));
            }
        }
    }
    Ok(links)
}

fn exists(path: &Path, root: &Root) -> Result<bool> {
    let place = root.find(path)?;
    Ok(place
        .map(|place| place.node())
        .transpose()?
        .flatten()
        .is_some())
}

fn is_dependencies(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| DEPENDENCIES.contains(&extension))
}

fn remove_link(place: Option<Place>, wanted: impl Fn(&Path) -> bool) -> Result<()> {
    match place {
        Some(place)
            if matches!(place.node()?, Some(node) if node.kind == Kind::Link)
                && wanted(&place.target()?) =>
        {
            place.remove()
        }
        _ => Ok(()),
    }
}
