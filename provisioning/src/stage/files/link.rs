//! One link of `storage.links`.

use std::path::{Path, PathBuf};

use super::owner;
use crate::config::spec::Link;
use crate::root::{Kind, Place, Root};
use crate::{Error, Result};

/// What is told of a link that did not change.
const THERE: &str = "link is there already";

/// Makes it, and tells what was done. A link that is there already and leads to the same target only gets its owner (Ignition spec,
/// `storage.links.overwrite`).
pub(super) fn make(link: &Link, root: &Root) -> Result<&'static str> {
    let place = root.place(&link.path)?;
    let target = Path::new(link.target.as_deref().unwrap_or_default());
    match link.hard {
        Some(true) => hard(link, &place, target, root),
        _ => soft(link, &place, target, root),
    }
}

fn soft(link: &Link, place: &Place, target: &Path, root: &Root) -> Result<&'static str> {
    let owner = owner::of(&link.path, link.user.as_ref(), link.group.as_ref(), root)?;
    match place.node()? {
        Some(node) if node.kind == Kind::Link => {
            let found = place.target()?;
            if clean(&found) == clean(target) {
                return place.set(None, owner).map(|()| THERE);
            }
            if link.overwrite != Some(true) {
                return Err(Error::OtherTarget {
                    path: place.path().to_owned(),
                    found,
                    wanted: target.to_owned(),
                });
            }
        }
        found => clear(link, place, found.map(|node| node.kind))?,
    }
    place.link_to(target, owner).map(|()| "link made")
}

/// The target is a path of the root, as the link's own path is, and its last part is not followed either. User and
/// group are ignored (Ignition spec): they would be the target's.
fn hard(link: &Link, place: &Place, target: &Path, root: &Root) -> Result<&'static str> {
    let lost = || Error::NoTarget {
        path: place.path().to_owned(),
        target: target.to_owned(),
    };
    let source = root.find(target)?.ok_or_else(lost)?;
    let wanted = source.node()?.ok_or_else(lost)?;
    match place.node()? {
        // Also with overwrite: to remove it first could remove the target's last name.
        Some(node) if node.identity == wanted.identity => return Ok(THERE),
        Some(_) if link.overwrite != Some(true) => {
            return Err(Error::OtherFile {
                path: place.path().to_owned(),
                target: target.to_owned(),
            });
        }
        found => clear(link, place, found.map(|node| node.kind))?,
    }
    place.hard_link_to(&source).map(|()| "hard link made")
}

/// Makes way for the link. Files and links stay until the new link takes their name.
fn clear(link: &Link, place: &Place, found: Option<Kind>) -> Result<()> {
    match found {
        None => Ok(()),
        Some(Kind::Directory) if link.overwrite == Some(true) => place.remove(),
        Some(_) if link.overwrite == Some(true) => Ok(()),
        Some(found) => Err(Error::Occupied {
            path: place.path().to_owned(),
            wanted: Kind::Link,
            found,
        }),
    }
}

/// A target without what does not change where it leads by its text: `.`, double slashes, `x/..`.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        let up = part == std::path::Component::ParentDir;
        match clean.components().next_back() {
            Some(std::path::Component::Normal(_)) if up => {
                clean.pop();
            }
            Some(std::path::Component::RootDir) if up => {}
            _ => clean.push(part),
        }
    }
    // Components() leaves a leading `.` in.
    clean.strip_prefix(".").map(Path::to_owned).unwrap_or(clean)
}
