//! Azure's provisioning medium: a DVD in a virtual drive, UDF or ISO 9660, with `ovf-env.xml` on it.
//!
//! Only optical drives are looked at: a data disk that somebody attached must not be able to provision a machine.

mod filesystem;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use acl_host::error::chain;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::ovf;
use crate::platform::{Machine, Medium};
use crate::{Error, Result};

/// Lets `read` read the medium: it gets a directory and the medium's name. `None` when there is no medium, after
/// waiting for it.
///
/// # Errors
/// [`Error::ReadMedium`] and [`Error::MountMedium`] when there is a disc that cannot be read or mounted; those of `read`.
pub(super) async fn with<T>(
    machine: &Machine,
    read: impl Fn(&Path, &str) -> Result<T>,
) -> Result<Option<T>> {
    if let Medium::Mounted(directory) = &machine.medium {
        let place = directory.display().to_string();
        return match is_ours(directory)? {
            true => read(directory, &place).map(Some),
            false => Ok(None),
        };
    }
    let begun = Instant::now();
    loop {
        let looked = look(machine, &read);
        if matches!(looked, Ok(Some(_))) || begun.elapsed() >= machine.patience.medium {
            return looked;
        }
        if let Err(error) = looked {
            tracing::debug!(error = chain(&error), "looking again");
        }
        tokio::time::sleep(machine.patience.look).await;
    }
}

/// Reads the first drive that has the medium in it.
fn look<T>(machine: &Machine, read: impl Fn(&Path, &str) -> Result<T>) -> Result<Option<T>> {
    let mut failed = None;
    for drive in drives(&machine.dev)? {
        match with_medium(&drive, &machine.scratch("medium"), &read) {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(None), Err)
}

/// The optical drives, in the order of their numbers.
fn drives(dev: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dev)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(|source| acl_host::Error::ListDirectory {
            path: dev.to_owned(),
            source,
        })?;
    let mut drives: Vec<(u32, PathBuf)> = entries
        .iter()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix("sr")?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    drives.sort();
    Ok(drives.into_iter().map(|(_, path)| path).collect())
}

/// Mounts a disc for as long as `read` reads it. `None` for a drive that is empty, or whose disc is not Azure's.
fn with_medium<T>(
    drive: &Path,
    directory: &Path,
    read: impl Fn(&Path, &str) -> Result<T>,
) -> Result<Option<T>> {
    let filesystems = match File::open(drive).and_then(filesystem::recognise) {
        Ok(filesystems) => filesystems,
        Err(error) if is_empty(&error) => return Ok(None),
        Err(source) => {
            let drive = drive.to_owned();
            return Err(Error::ReadMedium { drive, source });
        }
    };
    let Some(mounted) = Mounted::new(drive, directory, &filesystems)? else {
        return Ok(None);
    };
    if !is_ours(&mounted.directory)? {
        return Ok(None);
    }
    read(&mounted.directory, &drive.display().to_string()).map(Some)
}

/// Whether a drive has no disc in it, or has gone since it was listed. Everything else is a disc that cannot be read.
fn is_empty(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        [Errno::NOMEDIUM, Errno::NXIO, Errno::NODEV, Errno::NOENT].contains(&errno)
    })
}

fn is_ours(directory: &Path) -> Result<bool> {
    Ok(acl_host::file::exists(directory.join(ovf::FILE))?)
}

/// A mounted disc; unmounted when it is dropped, whatever happened meanwhile.
#[derive(Debug)]
struct Mounted {
    directory: PathBuf,
}

impl Mounted {
    /// Mounts the disc as the first of `filesystems` that the kernel takes; `None` when there are none.
    fn new(drive: &Path, directory: &Path, filesystems: &[&str]) -> Result<Option<Self>> {
        let failed = |filesystem: &str, source| Error::MountMedium {
            drive: drive.to_owned(),
            filesystem: filesystem.to_owned(),
            source,
        };
        // Passwords may be on it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| acl_host::Error::WriteFile {
                path: directory.to_owned(),
                source,
            })?;
        // As the error names them.
        let flags =
            MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOSUID;
        let mut refused = None;
        for filesystem in filesystems {
            match mount(drive, directory, *filesystem, flags, None) {
                Ok(()) => {
                    let directory = directory.to_owned();
                    return Ok(Some(Self { directory }));
                }
                Err(error) => refused = Some(failed(filesystem, error.into())),
            }
        }
        // Only an empty directory is removed; where that fails it is in nobody's way.
        let _ = std::fs::remove_dir(directory);
        refused.map_or(Ok(None), Err)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        match unmount(&self.directory, UnmountFlags::DETACH) {
            // As above.
            Ok(()) => drop(std::fs::remove_dir(&self.directory)),
            Err(error) => tracing::warn!(%error, "the provisioning medium stays mounted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::io::Errno;

    use super::{Mounted, is_empty, with_medium};
    use crate::platform::labelled::tests::{may_mount, options};

    /// Of a machine with a damaged disc nobody must be told that it has none.
    #[test]
    fn a_disc_that_cannot_be_read_is_not_an_empty_drive() {
        for errno in [Errno::NOMEDIUM, Errno::NXIO, Errno::NODEV, Errno::NOENT] {
            assert!(is_empty(&errno.into()), "{errno}");
        }
        for errno in [Errno::IO, Errno::ACCESS, Errno::ISDIR, Errno::NOMEM] {
            assert!(!is_empty(&errno.into()), "{errno}");
        }
        let dir = tempfile::tempdir().unwrap();
        let read = |drive: &Path| {
            let medium = dir.path().join("medium");
            with_medium(drive, &medium, |_, _| Ok(())).map_err(|error| error.to_string())
        };
        // A directory can be opened, and not be read.
        let drive = dir.path().join("sr0");
        std::fs::create_dir(&drive).unwrap();
        let problem = format!(
            "cannot read the disc in {}; attach the provisioning medium once more, or make the machine anew",
            drive.display()
        );
        assert_eq!(read(&drive), Err(problem));
        assert_eq!(read(&dir.path().join("sr1")), Ok(None));
    }

    /// With a file system that needs no disc.
    #[test]
    fn what_is_mounted_is_unmounted() {
        let name = "platform::azure::medium::tests::what_is_mounted_is_unmounted";
        if !may_mount(name) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().canonicalize().unwrap().join("a/medium");
        let mounted = Mounted::new(Path::new("none"), &directory, &["no-such", "tmpfs"]).unwrap();
        assert_eq!(mounted.as_ref().unwrap().directory, directory);
        let options = options(&directory).unwrap();
        let options: Vec<&str> = options.split(',').collect();
        for option in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(options.contains(&option), "{option} in {options:?}");
        }
        drop(mounted);
        assert_eq!(super::tests::options(&directory), None);
        assert!(!directory.exists());
    }

    #[test]
    fn what_cannot_be_mounted_is_told_with_all_that_was_tried() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("medium");
        let error = Mounted::new(Path::new("/dev/sr0"), &directory, &["no-such"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot mount the disc in /dev/sr0 (no-such, with options ro,nosuid,nodev,noexec); udf and isofs must be among \
             the initrd's modules"
        );
        assert!(!directory.exists());
    }
}
