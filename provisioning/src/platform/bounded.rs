//! Files that others wrote, read up to a limit.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::{Error, Result};

/// The largest config that a platform may hand over: 64 MiB. Ignition has no limit; ours keeps a wrong file from
/// filling the memory of the initrd.
pub(super) const CONFIG: u64 = 64 << 20;

/// The whole file; `None` when there is none. What is no regular file, or a symbolic link, is an error: the file may
/// be on a medium that nobody vouches for.
///
/// # Errors
/// [`Error::Host`], [`Error::TooLarge`].
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let length = match open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)) {
        Ok(length) => length as u64,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(path, source)),
    };
    if length > limit {
        return Err(too_large(&path.display().to_string(), limit));
    }
    Ok(Some(bytes))
}

/// The error for a file that cannot be read.
pub(super) fn unreadable(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    acl_host::Error::ReadFile { path, source }.into()
}

/// The error for what is longer than it may be.
pub(super) fn too_large(place: &str, limit: u64) -> Error {
    Error::TooLarge {
        place: place.to_owned(),
        limit,
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Without NONBLOCK a FIFO would make us wait for ever.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}
