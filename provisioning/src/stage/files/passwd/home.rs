//! What is done with home directories.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;

use crate::root::{Kind, Owner, Root, copy, hand_over};
use crate::{Error, Result};

use super::defaults::Defaults;
use super::tables::{HOME, ID, PRIMARY, Tables};

/// Work on a home directory; each can be done again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// Makes it, filled from the skeleton. One that is there stays as it is: it may be a file system of its own.
    Create { path: String, owner: Owner },
    /// Moves it, where it is there.
    Move { from: String, to: String },
    /// Gives what the user owned in it to the new ids.
    HandOver {
        path: String,
        from: Owner,
        to: Owner,
    },
    /// Removes it, where it is the user's.
    Remove { path: String, uid: u32 },
}

impl Home {
    pub(super) fn apply(self, root: &Root, defaults: &Defaults) -> Result<()> {
        if !self.path().starts_with('/') {
            // A damaged line: relative to what?
            return Ok(());
        }
        match self {
            Self::Create { path, owner } => create(&path, owner, root, defaults),
            Self::Move { from, to } => shift(&from, &to, root),
            Self::HandOver { path, from, to } => match root.directory(&path)? {
                Some(home) => hand_over(&home, from, to).map_err(|source| changed(&path, source)),
                None => Ok(()),
            },
            Self::Remove { path, uid } => remove(&path, uid, root),
        }
    }
}

impl Home {
    /// The home as it is before the work.
    fn path(&self) -> &str {
        match self {
            Self::Create { path, .. }
            | Self::Move { from: path, .. }
            | Self::HandOver { path, .. }
            | Self::Remove { path, .. } => path,
        }
    }
}

/// Directories of the system two levels deep.
const SHARED: [&str; 5] = [
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];

/// The mode of what is the user's alone.
const PRIVATE: u32 = 0o700;

/// Gives a user the directories that were made in their home, or as their home, so that a filesystem could be mounted
/// there, and the root of that filesystem where the filesystem lets its owner be changed: vfat and one that is mounted
/// `ro` do not, and are mounted as the config says all the same.
///
/// The stage `mount` runs before there are users, and makes them root's, 0755. What belongs to someone already, as on a
/// filesystem that was kept, stays.
pub(super) fn take_mounts(
    name: &str,
    mounted: &[&str],
    tables: &Tables,
    root: &Root,
) -> Result<()> {
    let Some(account) = tables.passwd.find(name) else {
        return Ok(());
    };
    let home = Path::new(account.field(HOME));
    let (Some(uid), Some(gid)) = (account.number(ID), account.number(PRIMARY)) else {
        return Ok(());
    };
    // Directories such as /srv and /var/lib have what is not the user's in them, also as somebody's home.
    let shared = home.components().count() < 3 || SHARED.iter().any(|path| home == Path::new(path));
    if uid == 0 {
        return Ok(());
    }
    for mounted in mounted.iter().map(Path::new) {
        if shared && mounted != home {
            continue;
        }
        let below = mounted
            .ancestors()
            .take_while(|path| path.starts_with(home));
        for path in below {
            match take(path, Owner::of(uid, gid), root) {
                Err(Error::SetOwner { path, source }) if has_no_owners(&source) => {
                    tracing::warn!(
                        "{} stays as it is: its filesystem keeps owner and mode: {source}",
                        path.display()
                    );
                }
                result => result?,
            }
        }
    }
    Ok(())
}

/// What filesystems answer that keep no owners (EPERM of vfat), that nothing may write to, or that cannot do it.
fn has_no_owners(error: &std::io::Error) -> bool {
    let answers = [Errno::PERM, Errno::ROFS, Errno::OPNOTSUPP];
    let answer = error.raw_os_error();
    answers
        .iter()
        .any(|known| Some(known.raw_os_error()) == answer)
}

fn take(path: &Path, owner: Owner, root: &Root) -> Result<()> {
    let Some(place) = root.find(path)? else {
        return Ok(());
    };
    match place.node()? {
        Some(node) if node.kind == Kind::Directory && (node.uid, node.gid) == (0, 0) => {
            place.set(Some(PRIVATE), owner)
        }
        _ => Ok(()),
    }
}

fn create(path: &str, owner: Owner, root: &Root, defaults: &Defaults) -> Result<()> {
    if root.directory(path)?.is_some() {
        return Ok(());
    }
    let skeleton = root.directory(&defaults.skeleton)?;
    let fill = |home: &OwnedFd| match &skeleton {
        Some(skeleton) => copy(skeleton, home, owner),
        None => Ok(()),
    };
    root.place(path)?
        .fill_directory(defaults.home_mode, owner, fill)
        .map(drop)
}

fn shift(from: &str, to: &str, root: &Root) -> Result<()> {
    let Some(source) = root.find(from)? else {
        return Ok(());
    };
    if !matches!(source.node()?, Some(node) if node.kind == Kind::Directory) {
        return Ok(());
    }
    let place = root.place(to)?;
    if place.node()?.is_some() {
        return Err(Error::HomeOccupied {
            from: from.into(),
            to: to.into(),
        });
    }
    source.rename_to(&place)
}

/// As userdel does: a home that belongs to someone else is not this user's to remove. For a second root that proves
/// nothing, everything is root's: such a home stays.
fn remove(path: &str, uid: u32, root: &Root) -> Result<()> {
    let Some(place) = root.find(path)? else {
        return Ok(());
    };
    match place.node()? {
        Some(node) if node.kind == Kind::Directory && node.uid == uid && uid != 0 => place.remove(),
        Some(_) => {
            tracing::warn!(
                path,
                uid,
                "the home directory belongs to another user than the removed one: it is left as it is"
            );
            Ok(())
        }
        None => Ok(()),
    }
}

fn changed(path: &str, source: std::io::Error) -> Error {
    Error::ChangeHome {
        path: Path::new(path).to_owned(),
        source,
    }
}
