//! Directories and links in the making: each is there whole, with its owner, or not at all.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::node::Owner;
use super::place::{DIRECTORY, Place, chown, set};
use super::tree;
use crate::{Error, Result};

impl Place {
    /// Makes a directory, whole with its mode and owner or not at all, where nothing is yet.
    ///
    /// # Errors
    /// [`Error::MakeDirectory`].
    pub fn make_directory(&self, mode: u32, owner: Owner) -> Result<OwnedFd> {
        self.fill_directory(mode, owner, |_| Ok(()))
    }

    /// As [`Place::make_directory`], and `fill` puts things into it before it gets its name.
    ///
    /// # Errors
    /// [`Error::MakeDirectory`].
    pub(crate) fn fill_directory(
        &self,
        mode: u32,
        owner: Owner,
        fill: impl FnOnce(&OwnedFd) -> io::Result<()>,
    ) -> Result<OwnedFd> {
        self.try_directory(mode, owner, fill)
            .map_err(|source| Error::MakeDirectory {
                path: self.path().to_owned(),
                source,
            })
    }

    fn try_directory(
        &self,
        mode: u32,
        owner: Owner,
        fill: impl FnOnce(&OwnedFd) -> io::Result<()>,
    ) -> io::Result<OwnedFd> {
        let (parent, temporary) = (&self.parent, &*self.temporary);
        tree::remove(parent, temporary)?;
        rustix::fs::mkdirat(parent, temporary, Mode::RWXU)?;
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        let directory = rustix::fs::openat(parent, temporary, flags, Mode::empty())?;
        let made = fill(&directory).and_then(|()| {
            set(&directory, mode, owner)?;
            rustix::fs::fsync(&directory)?;
            // NOREPLACE: what has come in between is not ours to replace.
            let new = rustix::fs::RenameFlags::NOREPLACE;
            rustix::fs::renameat_with(parent, temporary, parent, &*self.name, new)?;
            rustix::fs::fsync(parent)?;
            Ok(())
        });
        if made.is_err() {
            // The first error is the one to tell.
            let _ = tree::remove(parent, temporary);
        }
        made.map(|()| directory)
    }

    /// Makes a symbolic link with any text as its target, in the place of whatever file or link is there.
    ///
    /// # Errors
    /// [`Error::MakeLink`].
    pub fn link_to(&self, target: &Path, owner: Owner) -> Result<()> {
        self.put(|parent, temporary| {
            rustix::fs::symlinkat(target, parent, temporary)?;
            chown(parent, temporary, owner)
        })
    }

    /// Makes this a second name of the file at `target`, in the place of whatever file or link is there.
    ///
    /// # Errors
    /// [`Error::MakeLink`].
    pub fn hard_link_to(&self, target: &Place) -> Result<()> {
        self.put(|parent, temporary| {
            let flags = AtFlags::empty();
            rustix::fs::linkat(&target.parent, &*target.name, parent, temporary, flags)?;
            Ok(())
        })
    }

    fn put(&self, make: impl FnOnce(&OwnedFd, &OsStr) -> io::Result<()>) -> Result<()> {
        let (parent, temporary) = (&self.parent, &*self.temporary);
        tree::remove(parent, temporary)
            .and_then(|()| make(parent, temporary))
            .and_then(|()| {
                Ok(rustix::fs::renameat(
                    parent,
                    temporary,
                    parent,
                    &*self.name,
                )?)
            })
            .and_then(|()| Ok(rustix::fs::fsync(parent)?))
            .map_err(|source| {
                let _ = tree::remove(parent, temporary);
                Error::MakeLink {
                    path: self.path().to_owned(),
                    source,
                }
            })
    }
}
