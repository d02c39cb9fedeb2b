//! A file in the making: it has a temporary name until it is complete.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::node::Owner;
use super::place::{self, Place, write_error};
use super::tree;
use crate::Result;

/// A new file that is written beside its place. Dropped without [`Fresh::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Fresh {
    place: Place,
    file: File,
}

impl Fresh {
    pub(super) fn new(place: Place) -> Result<Self> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Nobody else may read what is not complete: it can be a secret.
        let mode = Mode::RUSR | Mode::WUSR;
        tree::remove(&place.parent, &place.temporary)
            .and_then(|()| {
                Ok(rustix::fs::openat(
                    &place.parent,
                    &place.temporary,
                    flags,
                    mode,
                )?)
            })
            .map_err(|source| write_error(place.path(), source))
            .map(|file| Self {
                place,
                file: File::from(file),
            })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its mode and owner.
    pub(super) fn set(&self, mode: u32, owner: Owner) -> Result<()> {
        let set = place::set(&self.file, mode, owner);
        set.map_err(|source| write_error(self.place.path(), source))
    }

    /// Gives the file its name; whether it is durable is the caller's business.
    pub(super) fn take_name(&self) -> Result<()> {
        let (parent, temporary) = (&self.place.parent, &*self.place.temporary);
        rustix::fs::renameat(parent, temporary, parent, &*self.place.name)
            .map_err(|source| write_error(self.place.path(), source))
    }

    /// Gives the file its mode, owner and name, durably, in the place of whatever file or link has the name.
    ///
    /// # Errors
    /// [`acl_host::Error::WriteFile`]; what had the name then still has it.
    pub fn commit(self, mode: u32, owner: Owner) -> Result<()> {
        let failed = |source: io::Error| write_error(self.place.path(), source);
        self.set(mode, owner)?;
        self.file.sync_all().map_err(failed)?;
        self.take_name()?;
        rustix::fs::fsync(&self.place.parent).map_err(|source| failed(source.into()))
    }

    /// Whether another file holds the same bytes.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn same_as(&mut self, other: &mut File) -> io::Result<bool> {
        if self.file.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        self.file.seek(SeekFrom::Start(0))?;
        let (mut ours, mut theirs) = ([0; 8192], [0; 8192]);
        loop {
            let length = self.file.read(&mut ours)?;
            if length == 0 {
                return Ok(true);
            }
            match other.read_exact(&mut theirs[..length]) {
                Ok(()) if ours[..length] == theirs[..length] => {}
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Fresh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // After a commit there is nothing under this name. Otherwise the next writer takes away what stays.
        let _ = rustix::fs::unlinkat(&self.place.parent, &*self.place.temporary, AtFlags::empty());
    }
}
