//! Files that survive a power cut.
//!
//! A durable write is: temporary file in the same directory, fsync, rename over the name, fsync of the directory. At
//! every moment the name holds the old bytes or the new ones. One writer at a time for a name: the temporary name is
//! fixed, so that an interrupted write leaves at most one file behind, and the next write replaces it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes `bytes` to `path`, durably; the directory must exist.
///
/// # Errors
/// [`Error::WriteFile`], and [`Error::Sync`] when the device does not take the bytes. The old file is then still whole.
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_with_mode(path.as_ref(), bytes, 0o644)
}

/// As [`write()`], readable by the owner only: for keys.
///
/// # Errors
/// As [`write()`].
pub fn write_private(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_with_mode(path.as_ref(), bytes, 0o600)
}

/// Writes `bytes` to `path` without asking the device to keep them: for what a build can make again.
///
/// # Errors
/// [`Error::WriteFile`].
#[expect(clippy::disallowed_methods, reason = "the writer that is not durable")]
pub fn scratch(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    std::fs::write(path, bytes).map_err(|source| Error::WriteFile {
        path: path.to_owned(),
        source,
    })
}

/// Bytes that are free for everyone on the file system of a path.
///
/// # Errors
/// [`Error::ReadFile`].
pub fn free(path: impl AsRef<Path>) -> Result<u64> {
    let path = path.as_ref();
    let found = rustix::fs::statvfs(path).map_err(|error| Error::ReadFile {
        path: path.to_owned(),
        source: error.into(),
    })?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Removes the file, durably. A file that is not there is fine.
///
/// # Errors
/// [`Error::RemoveFile`], [`Error::Sync`].
pub fn remove(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    match std::fs::remove_file(path) {
        Ok(()) => sync_dir(parent(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::RemoveFile {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Renames a file, durably; what had the new name is replaced.
///
/// # Errors
/// [`Error::RenameFile`], [`Error::Sync`].
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    std::fs::rename(from, to).map_err(|source| Error::RenameFile {
        from: from.to_owned(),
        to: to.to_owned(),
        source,
    })?;
    sync_dir(parent(to))?;
    if parent(from) != parent(to) {
        sync_dir(parent(from))?;
    }
    Ok(())
}

/// Makes a directory and its parents, durably. One that is there is fine.
///
/// # Errors
/// [`Error::MakeDirectory`], [`Error::Sync`].
pub fn make_directory(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    make_directory(above)?;
    match std::fs::create_dir(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => {
            return Err(Error::MakeDirectory {
                path: path.to_owned(),
                source,
            });
        }
        _ => {}
    }
    sync_dir(above)
}

/// Makes the directories above `path` that are missing.
///
/// # Errors
/// [`Error::MakeDirectory`].
pub fn make_parents(path: impl AsRef<Path>) -> Result<()> {
    let directory = parent(path.as_ref());
    std::fs::create_dir_all(directory).map_err(|source| Error::MakeDirectory {
        path: directory.to_owned(),
        source,
    })
}

/// The paths of what is in a directory, sorted.
///
/// # Errors
/// [`Error::ListDirectory`].
pub fn list(directory: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let directory = directory.as_ref();
    let mut paths = std::fs::read_dir(directory)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(|source| Error::ListDirectory {
            path: directory.to_owned(),
            source,
        })?;
    paths.sort();
    Ok(paths)
}

/// Makes a file's bytes durable, and where they are.
///
/// # Errors
/// [`Error::Sync`].
pub fn sync(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|source| Error::Sync {
            path: path.to_owned(),
            source,
        })
}

/// Makes the names in a directory durable.
///
/// # Errors
/// [`Error::Sync`].
pub fn sync_dir(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| Error::Sync {
            path: path.to_owned(),
            source,
        })
}

/// Whether something is at `path`, symbolic links followed. That it cannot be told (permissions, a disk that fails) is an
/// error, and not "no".
///
/// # Errors
/// [`Error::ReadFile`].
pub fn exists(path: impl AsRef<Path>) -> Result<bool> {
    let path = path.as_ref();
    match path.try_exists() {
        // Below what is no directory there is nothing, for certain.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        told => told.map_err(|source| Error::ReadFile {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Reads a file of UTF-8 text.
///
/// # Errors
/// [`Error::ReadFile`], also when the bytes are not UTF-8.
pub fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(path).map_err(|source| Error::ReadFile {
        path: path.to_owned(),
        source,
    })
}

/// Reads a file.
///
/// # Errors
/// [`Error::ReadFile`].
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    std::fs::read(path).map_err(|source| Error::ReadFile {
        path: path.to_owned(),
        source,
    })
}

/// The temporary name that a durable write of `path` uses: hidden, in the same directory.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let temporary = temporary(path);
    let written = write_new(&temporary, bytes, mode).map_err(|source| Error::WriteFile {
        path: path.to_owned(),
        source,
    });
    if written.is_err() {
        // The first error is the one to tell; what is left behind is replaced by the next write.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    rename(&temporary, path)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{parent, temporary};
    use std::path::Path;

    #[test]
    fn names_beside_the_file() {
        let path = Path::new("/var/lib/acl/updater/state.json");
        assert_eq!(
            temporary(path),
            Path::new("/var/lib/acl/updater/.state.json.new")
        );
        assert_eq!(parent(path), Path::new("/var/lib/acl/updater"));
        assert_eq!(parent(Path::new("state.json")), Path::new("."));
    }
}
