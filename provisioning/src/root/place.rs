//! One entry of the root: an open directory and a name in it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::fresh::Fresh;
use super::node::{self, Kind, Node, Owner};
use super::tree;
use crate::{Error, Result};

/// How directories are opened: not as `O_PATH`, because they are listed and synced.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Ends the names under which entries are made before they get their own.
const TEMPORARY: &[u8] = b".acl-new";

/// The longest name that a file system takes, in bytes.
const LONGEST_NAME: usize = 255;

/// Where an entry is or will be. Nothing here follows a link in the entry itself.
#[derive(Debug)]
pub struct Place {
    pub(super) parent: OwnedFd,
    pub(super) name: OsString,
    /// The name in the making: hidden, beside the entry, and always the same for it, so that an interrupted run leaves
    /// at most one behind, and the next one takes it away.
    pub(super) temporary: OsString,
    path: PathBuf,
}

impl Place {
    /// The entry `name` of an open directory; `path` is what messages call it.
    pub(crate) fn new(parent: OwnedFd, name: impl AsRef<OsStr>, path: impl AsRef<Path>) -> Self {
        Self {
            parent,
            name: name.as_ref().to_owned(),
            temporary: temporary(name.as_ref()),
            path: path.as_ref().to_owned(),
        }
    }

    /// What messages call it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is there, if anything.
    ///
    /// # Errors
    /// [`acl_host::Error::ReadFile`].
    pub fn node(&self) -> Result<Option<Node>> {
        match rustix::fs::statat(&self.parent, &*self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(source) => Err(read_error(&self.path, source)),
        }
    }

    /// The target of the symbolic link that is there.
    ///
    /// # Errors
    /// [`acl_host::Error::ReadFile`] where there is none.
    pub fn target(&self) -> Result<PathBuf> {
        rustix::fs::readlinkat(&self.parent, &*self.name, Vec::new())
            .map(|target| OsString::from_vec(target.into_bytes()).into())
            .map_err(|source| read_error(&self.path, source))
    }

    /// Opens the regular file that is there, for reading.
    ///
    /// # Errors
    /// [`acl_host::Error::ReadFile`], also for everything that is not a regular file.
    pub fn open(&self) -> Result<File> {
        self.open_with(OFlags::empty())
            .and_then(|opened| node::regular(&opened).map(|()| File::from(opened)))
            .map_err(|source| read_error(&self.path, source))
    }

    /// Opens the directory that is there.
    ///
    /// # Errors
    /// [`Error::ResolvePath`] for everything else, links included.
    pub fn directory(&self) -> Result<OwnedFd> {
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        rustix::fs::openat(&self.parent, &*self.name, flags, Mode::empty()).map_err(|source| {
            Error::ResolvePath {
                path: self.path.clone(),
                source: source.into(),
            }
        })
    }

    /// A new file that takes this name when it is complete.
    ///
    /// # Errors
    /// [`acl_host::Error::WriteFile`].
    pub fn fresh(&self) -> Result<Fresh> {
        let again = self.parent.try_clone();
        let parent = again.map_err(|source| write_error(&self.path, source))?;
        Fresh::new(Self::new(parent, &self.name, &self.path))
    }

    /// Whether its temporary name is that of other long names as well.
    pub(super) fn is_long(&self) -> bool {
        1 + self.name.len() + TEMPORARY.len() > LONGEST_NAME
    }

    /// Whether its name may be the temporary one of another file.
    pub(super) fn is_temporary(&self) -> bool {
        self.name.as_bytes().ends_with(TEMPORARY)
    }

    /// Writes a file, durably, in the place of whatever file or link is there.
    ///
    /// # Errors
    /// [`acl_host::Error::WriteFile`]; what was there is then still there.
    pub fn write(&self, bytes: &[u8], mode: u32, owner: Owner) -> Result<()> {
        let mut fresh = self.fresh()?;
        fresh
            .write_all(bytes)
            .map_err(|source| write_error(&self.path, source))?;
        fresh.commit(mode, owner)
    }

    /// Removes what is there, a directory with all that is in it; links are removed, not followed.
    ///
    /// # Errors
    /// [`acl_host::Error::RemoveFile`], also for the root itself.
    pub fn remove(&self) -> Result<()> {
        let removed = match self.name == "." {
            // The kernel would refuse only after all that is in it is gone.
            true => Err(Errno::INVAL.into()),
            false => tree::remove(&self.parent, &self.name),
        };
        removed
            .and_then(|()| Ok(rustix::fs::fsync(&self.parent)?))
            .map_err(|source| {
                Error::Host(acl_host::Error::RemoveFile {
                    path: self.path.clone(),
                    source,
                })
            })
    }

    /// Gives the directory that is there to `to`; nothing may be there under the new name.
    ///
    /// # Errors
    /// [`acl_host::Error::RenameFile`].
    pub(crate) fn rename_to(&self, to: &Place) -> Result<()> {
        let new = rustix::fs::RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&self.parent, &*self.name, &to.parent, &*to.name, new)
            .and_then(|()| rustix::fs::fsync(&to.parent))
            .and_then(|()| rustix::fs::fsync(&self.parent))
            .map_err(|source| {
                Error::Host(acl_host::Error::RenameFile {
                    from: self.path.clone(),
                    to: to.path.clone(),
                    source: source.into(),
                })
            })
    }

    /// Sets mode and owner of the file or directory that is there, or the owner of the link; what is not given stays,
    /// the special bits too, which the kernel takes away when an owner changes.
    ///
    /// # Errors
    /// [`Error::SetOwner`].
    pub fn set(&self, mode: Option<u32>, owner: Owner) -> Result<()> {
        if mode.is_none() && owner == Owner::default() {
            return Ok(());
        }
        let set = || {
            let stat = rustix::fs::statat(&self.parent, &*self.name, AtFlags::SYMLINK_NOFOLLOW)?;
            let node = Node::from(stat);
            match node.kind {
                Kind::File | Kind::Directory => {
                    let flags = match node.kind {
                        Kind::Directory => OFlags::DIRECTORY,
                        _ => OFlags::empty(),
                    };
                    set(&self.open_with(flags)?, mode.unwrap_or(node.mode), owner)
                }
                Kind::Link | Kind::Special => chown(&self.parent, &self.name, owner),
            }
        };
        set().map_err(|source| Error::SetOwner {
            path: self.path.clone(),
            source,
        })
    }

    fn open_with(&self, flags: OFlags) -> io::Result<OwnedFd> {
        let stat = rustix::fs::statat(&self.parent, &*self.name, AtFlags::SYMLINK_NOFOLLOW)?;
        if Node::from(stat).kind == Kind::Special {
            // To open a device can already do something.
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("it is a {}, not a file", Kind::Special),
            ));
        }
        let safe = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.parent, &*self.name, safe | flags, Mode::empty())?;
        Ok(opened)
    }
}

fn temporary(name: &OsStr) -> OsString {
    let mut temporary = b".".to_vec();
    temporary.extend_from_slice(name.as_bytes());
    temporary.truncate(LONGEST_NAME - TEMPORARY.len());
    temporary.extend_from_slice(TEMPORARY);
    OsString::from_vec(temporary)
}

/// Owner first: a change of owner clears the special bits.
pub(super) fn set(fd: impl AsFd, mode: u32, owner: Owner) -> io::Result<()> {
    let node = Node::of(&fd)?;
    let change = owner.change(&node);
    if let Some(Owner { uid, gid }) = change {
        rustix::fs::fchown(&fd, uid.map(Uid::from_raw), gid.map(Gid::from_raw))?;
    }
    if change.is_some() || node.mode != mode & 0o7777 {
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode & 0o7777))?;
    }
    Ok(())
}

pub(super) fn chown(parent: impl AsFd, name: &OsStr, owner: Owner) -> io::Result<()> {
    let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if let Some(Owner { uid, gid }) = owner.change(&stat.into()) {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        rustix::fs::chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

pub(super) fn read_error(path: &Path, source: impl Into<io::Error>) -> Error {
    Error::Host(acl_host::Error::ReadFile {
        path: path.to_owned(),
        source: source.into(),
    })
}

pub(super) fn write_error(path: &Path, source: impl Into<io::Error>) -> Error {
    Error::Host(acl_host::Error::WriteFile {
        path: path.to_owned(),
        source: source.into(),
    })
}
