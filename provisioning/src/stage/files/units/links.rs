//! Links in `/etc` that enable a unit, taken away where the config disables it.
//!
//! A preset alone does not disable what is enabled: at first boot systemd only enables by it. Ignition calls
//! `systemctl --root disable` here, which an initrd need not have.

use std::ffi::OsStr;
use std::path::Path;

use crate::Result;
use crate::root::{Kind, Place, Root};

use super::UNITS;

/// Directories of dependencies that `WantedBy=`, `RequiredBy=` and `UpheldBy=` put links into.
const DEPENDENCIES: [&str; 3] = ["wants", "requires", "upholds"];

/// Removes the links to the unit in directories of dependencies, and other names that are links to it.
pub(super) fn remove(name: &str, root: &Root) -> Result<()> {
    for entry in root.list(UNITS)? {
        let path = Path::new(UNITS).join(&entry);
        let is_dependencies = path
            .extension()
            .and_then(OsStr::to_str)
            .is_some_and(|extension| DEPENDENCIES.contains(&extension));
        if is_dependencies {
            remove_link(root.find(path.join(name))?, |_| true)?;
        } else if entry != name {
            let leads_there = |target: &Path| target.file_name() == Some(OsStr::new(name));
            remove_link(root.find(path)?, leads_there)?;
        }
    }
    Ok(())
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
