//! `/usr` as an erofs image: the same tree gives the same bytes, whoever builds it and when.
//!
//! The image is written from a tar archive that is made here, so that owners (all root's), times (one for all) and the
//! order of files (sorted) are decided here and not by the disk that the tree is on. Nothing is compressed: an update
//! is compressed on the wire, and compressed content inside the image would make it three times as large.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use acl_host::guid::Guid;
use acl_host::tool::{Tool, Tools};
use tar::{Builder, EntryType};

use crate::Error;
use crate::digest;
use crate::tar_entry::{self, TIME};

/// The largest slot share that an image may take: three quarters.
const SHARE: (u64, u64) = (3, 4);

/// Writes the directory `usr` as `image`, by way of the tar archive `archive`.
///
/// # Errors
/// [`Error::ReadInput`] and [`Error::WriteImage`]; [`Error::Host`] from `mkfs.erofs`.
pub fn build(usr: &Path, archive: &Path, image: &Path, tools: &Tools) -> Result<(), Error> {
    let fail = |source| Error::WriteImage {
        path: archive.to_owned(),
        source,
    };
    let file = File::create(archive).map_err(fail)?;
    write_tar(usr, BufWriter::with_capacity(1 << 20, file)).map_err(fail)?;
    let uuid = derived_uuid(&digest::sha256_file(archive)?);
    tools
        .command(Tool::MkfsErofs)
        .arg("--quiet")
        .arg(format!("-T{TIME}"))
        .arg("--all-time")
        .arg(format!("-U{uuid}"))
        .arg("--tar=f")
        .arg(image)
        .arg(archive)
        .run()?;
    Ok(())
}

/// Refuses an image that leaves less than a quarter of its slot free: releases grow, and slots cannot.
///
/// # Errors
/// [`Error::SlotTooSmall`].
pub fn check_size(image: &Path, slot: u64) -> Result<(), Error> {
    let read = |source| Error::ReadInput {
        path: image.to_owned(),
        source,
    };
    let size = fs::metadata(image).map_err(read)?.len();
    if size.saturating_mul(SHARE.1) <= slot.saturating_mul(SHARE.0) {
        return Ok(());
    }
    Err(Error::SlotTooSmall {
        size: size.into(),
        slot: slot.into(),
        needed: size.saturating_mul(SHARE.1).div_ceil(SHARE.0).into(),
    })
}

/// A version 8 UUID (RFC 9562) out of a digest in hexadecimal digits.
fn derived_uuid(digest: &str) -> Guid {
    let mut bytes = [0; 16];
    for (byte, digits) in bytes.iter_mut().zip(digest.as_bytes().chunks(2)) {
        let digits = String::from_utf8_lossy(digits);
        *byte = u8::from_str_radix(&digits, 16).unwrap_or_default();
    }
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Guid(bytes)
}

fn write_tar(root: &Path, to: impl Write) -> io::Result<()> {
    let mut archive = Archive {
        builder: Builder::new(to),
        linked: HashMap::new(),
    };
    archive.directory(root, Path::new(""))?;
    archive.builder.into_inner()?.flush()
}

struct Archive<W: Write> {
    builder: Builder<W>,
    /// Where files with several names were first met, by device and inode.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Archive<W> {
    fn directory(&mut self, path: &Path, name: &Path) -> io::Result<()> {
        let mut header = tar_entry::head(EntryType::Directory, mode(&fs::symlink_metadata(path)?));
        let entry = if name == Path::new("") {
            Path::new(".")
        } else {
            name
        };
        self.builder.append_data(&mut header, entry, io::empty())?;
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), name.join(entry.file_name()));
            let metadata = fs::symlink_metadata(&path)?;
            if metadata.is_dir() {
                self.directory(&path, &name)?;
            } else if metadata.is_symlink() {
                let mut header = tar_entry::head(EntryType::Symlink, 0o777);
                self.builder
                    .append_link(&mut header, &name, fs::read_link(&path)?)?;
            } else if metadata.is_file() {
                self.file(&path, &name, &metadata)?;
            } else {
                return Err(io::Error::other(format!(
                    "{} is neither file, directory nor link",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &Path, metadata: &Metadata) -> io::Result<()> {
        if metadata.nlink() > 1 {
            let key = (metadata.dev(), metadata.ino());
            if let Some(first) = self.linked.get(&key) {
                let mut header = tar_entry::head(EntryType::Link, mode(metadata));
                return self.builder.append_link(&mut header, name, first);
            }
            self.linked.insert(key, name.to_owned());
        }
        let mut header = tar_entry::head(EntryType::Regular, mode(metadata));
        header.set_size(metadata.len());
        self.builder
            .append_data(&mut header, name, File::open(path)?)
    }
}

/// Owners are not kept, and a set-group-ID bit for another group than the package's would give away root's.
fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o5777
}

#[cfg(test)]
mod tests {
    use super::{check_size, derived_uuid, write_tar};
    use std::fs::{File, Permissions, hard_link, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn the_archive_depends_on_the_content_only() {
        let make = |order: [&str; 3]| {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("bin")).unwrap();
            for name in order {
                acl_host::file::scratch(root.path().join("bin").join(name), name.as_bytes())
                    .unwrap();
                set_permissions(
                    root.path().join("bin").join(name),
                    Permissions::from_mode(0o6755),
                )
                .unwrap();
            }
            hard_link(root.path().join("bin/b"), root.path().join("bin/z")).unwrap();
            symlink("a", root.path().join("bin/link")).unwrap();
            let mut bytes = Vec::new();
            write_tar(root.path(), &mut bytes).unwrap();
            bytes
        };
        let bytes = make(["a", "b", "c"]);
        assert_eq!(make(["c", "b", "a"]), bytes);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let seen: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let link = entry
                    .link_name()
                    .unwrap()
                    .map(|target| target.display().to_string());
                format!(
                    "{} {:o} {}:{} {}",
                    entry.path().unwrap().display(),
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                    link.unwrap_or_default()
                )
            })
            .collect();
        let expected = [
            ". 755 0:0 ",
            "bin 755 0:0 ",
            "bin/a 4755 0:0 ",
            "bin/b 4755 0:0 ",
            "bin/c 4755 0:0 ",
            "bin/link 777 0:0 a",
            "bin/z 4755 0:0 bin/b",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_quarter_of_the_slot_stays_free() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let set = |len| {
            File::options()
                .write(true)
                .open(file.path())
                .unwrap()
                .set_len(len)
                .unwrap()
        };
        set(3 << 20);
        assert!(check_size(file.path(), 4 << 20).is_ok());
        set((3 << 20) + 1);
        let error = check_size(file.path(), 4 << 20).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/usr takes 4 MiB of its slot of 4 MiB, and a quarter must stay free for later releases: set image.usr to 5 MiB or more, or leave packages out"
        );
    }

    #[test]
    fn uuids_say_that_they_are_derived() {
        assert_eq!(
            derived_uuid(&"ff".repeat(32)).to_string(),
            "ffffffff-ffff-8fff-bfff-ffffffffffff"
        );
    }
}
