//! Mount points: made where they are missing, and always inside of the root.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use rustix::io::Errno;

use crate::{Error, Result};

/// Makes the directory `path` below `root`, each missing part of it with mode 0755, and returns where it is. No part may
/// be a symbolic link, nor may the path have a `..`.
///
/// # Errors
/// [`Error::MountPoint`].
pub(super) fn make(root: &Path, path: &str) -> Result<PathBuf> {
    let failed = |reason: String| Error::MountPoint {
        path: path.to_owned(),
        reason,
    };
    let mut place = root.to_owned();
    let opened = open(
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let mut directory = opened.map_err(|error| failed(format!("{}: {error}", root.display())))?;
    for component in Path::new(path).components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                place.push(name);
                directory = enter(&directory, Path::new(name)).map_err(|error| match error {
                    Errno::NOTDIR | Errno::LOOP => {
                        failed(format!("{} is not a directory", place.display()))
                    }
                    error => failed(format!("{}: {error}", place.display())),
                })?;
            }
            _ => return Err(failed("it has a part ..".to_owned())),
        }
    }
    Ok(place)
}

fn enter(directory: &OwnedFd, name: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            mkdirat(directory, name, Mode::from_raw_mode(0o755))?;
            openat(directory, name, flags, Mode::empty())
        }
        opened => opened,
    }
}
