//! The EFI system partition: boot entries armed, disarmed and marked bad, so that a power cut loses none.
//!
//! Works on any directory that holds `EFI/Linux`; on a machine that is the mounted ESP. Every change is durable when
//! the call returns: the file, the directory, and the whole file system, since FAT keeps its table elsewhere. What a
//! power cut within a change may leave is in docs/decisions/0010-power-cut-on-fat.md.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;

use crate::entry::EntryName;
use crate::error::{Error, Result};
use crate::file;

/// A mounted EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Esp {
    root: PathBuf,
}

/// A kernel image that lies on the ESP and is no entry yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    entry: EntryName,
}

impl Written {
    /// The version of its release.
    pub fn version(&self) -> &str {
        self.entry.version()
    }
}

/// Kept free beside the entry itself: the directory may grow by a cluster or two.
const RESERVE: u64 = 64 * 1024;

/// Bytes of an image that are written at a time.
const PIECE: usize = 256 * 1024;

impl Esp {
    /// The ESP mounted at `directory`.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            root: directory.into(),
        }
    }

    /// The ESP of a machine: `<root>/efi` or `<root>/boot`, whichever has `EFI/Linux`.
    ///
    /// # Errors
    /// [`Error::FindEsp`]; [`Error::ReadFile`] when it cannot be told whether it is there.
    pub fn find(root: &Path) -> Result<Self> {
        for directory in ["efi", "boot"] {
            let esp = Self::at(root.join(directory));
            if is_directory(&esp.entries_directory())? {
                return Ok(esp);
            }
        }
        Err(Error::FindEsp)
    }

    /// Where the entries lie.
    pub fn entries_directory(&self) -> PathBuf {
        self.root.join("EFI/Linux")
    }

    /// Bytes free on the file system.
    ///
    /// # Errors
    /// [`Error::ReadFile`].
    pub fn free(&self) -> Result<u64> {
        file::free(&self.root)
    }

    /// Whether an entry of `size` bytes fits; to be asked before a slot is overwritten.
    ///
    /// # Errors
    /// [`Error::EspFull`], [`Error::ReadFile`].
    pub fn require_space(&self, size: u64) -> Result<()> {
        let (needed, free) = (size.saturating_add(RESERVE), self.free()?);
        if needed <= free {
            return Ok(());
        }
        Err(Error::EspFull {
            path: self.root.clone(),
            needed,
            free,
        })
    }

    /// The entries of ACL, sorted; other files are not told.
    ///
    /// An empty file is one only when its name says that it failed: the boot loader passes over it, and a rename on FAT
    /// that was cut leaves one.
    ///
    /// # Errors
    /// [`Error::ListDirectory`].
    pub fn entries(&self) -> Result<Vec<EntryName>> {
        let mut entries = self.named()?;
        entries.retain(|entry| entry.is_bad() || !self.is_empty(entry));
        entries.sort();
        Ok(entries)
    }

    /// The path of an entry's file.
    pub fn path(&self, entry: &EntryName) -> PathBuf {
        self.entries_directory().join(entry.to_string())
    }

    /// Writes the kernel image for `version`, which is to have `tries` boots on trial, durably, under a name that no boot
    /// loader looks at. What was written so before goes away.
    ///
    /// `image` must give exactly `size` bytes and fail when they are not the right ones.
    ///
    /// # Errors
    /// [`Error::EntryVersion`] and [`Error::EspFull`] before anything is changed; [`Error::WriteFile`], with the error
    /// of `image` too; [`Error::ShortEntry`]; [`Error::RemoveFile`].
    pub fn write(
        &self,
        version: &str,
        image: &mut dyn Read,
        size: u64,
        tries: u32,
    ) -> Result<Written> {
        let entry = EntryName::on_trial(version, tries)?;
        let temporary = file::temporary(&self.path(&entry));
        self.remove_leftovers()?;
        self.require_space(size)?;
        let written = write_image(&temporary, version, image, size);
        if written.is_err() {
            // The first error is the one to tell; leftovers are removed by the next arming.
            let _ = std::fs::remove_file(&temporary);
        }
        written.map(|()| Written { entry })
    }

    /// Makes what was written the entry of its version; one that the version had before goes away. Returns the entry's name.
    ///
    /// # Errors
    /// [`Error::RenameFile`], [`Error::RemoveFile`], [`Error::Sync`].
    pub fn arm(&self, Written { entry }: Written) -> Result<EntryName> {
        let path = self.path(&entry);
        rename(&file::temporary(&path), &path)?;
        for older in self.entries_of(entry.version())? {
            if older != entry {
                file::remove(self.path(&older))?;
            }
        }
        self.sync()?;
        Ok(entry)
    }

    /// Removes every entry of `version`; none is fine.
    ///
    /// # Errors
    /// [`Error::LastEntry`] before anything is changed when it is the only entry, or the only one that has not failed;
    /// [`Error::ListDirectory`], [`Error::RemoveFile`], [`Error::Sync`].
    pub fn disarm(&self, version: &str) -> Result<()> {
        let (ours, others): (Vec<_>, Vec<_>) = self
            .entries()?
            .into_iter()
            .partition(|entry| entry.version() == version);
        if ours.is_empty() {
            return Ok(());
        }
        let ours_works = !ours.iter().all(EntryName::is_bad);
        if others.is_empty() || ours_works && others.iter().all(EntryName::is_bad) {
            return Err(Error::LastEntry {
                path: self.entries_directory(),
                version: version.to_owned(),
            });
        }
        for entry in ours {
            file::remove(self.path(&entry))?;
        }
        self.sync()
    }

    /// Marks the entry of `version` as one that failed, so that the loader takes another one first. Returns its new
    /// name.
    ///
    /// # Errors
    /// [`Error::NoEntry`]; [`Error::LastEntry`] before anything is changed when no other entry is good;
    /// [`Error::ListDirectory`], [`Error::RenameFile`], [`Error::Sync`].
    pub fn mark_bad(&self, version: &str) -> Result<EntryName> {
        let entries = self.entries()?;
        let (ours, others): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.version() == version);
        let Some(last) = ours.last() else {
            return Err(Error::NoEntry {
                path: self.entries_directory(),
                version: version.to_owned(),
            });
        };
        if others.iter().all(EntryName::is_bad) {
            return Err(Error::LastEntry {
                path: self.entries_directory(),
                version: version.to_owned(),
            });
        }
        let failed = last.failed();
        for entry in ours.iter().filter(|entry| **entry != failed) {
            rename(&self.path(entry), &self.path(&failed))?;
        }
        self.sync()?;
        Ok(failed)
    }

    fn entries_of(&self, version: &str) -> Result<Vec<EntryName>> {
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.version() == version);
        Ok(entries)
    }

    /// Bytes of what was written and never armed: the next [`write`](Self::write) removes it.
    ///
    /// # Errors
    /// [`Error::ListDirectory`].
    pub fn unarmed(&self) -> Result<u64> {
        let paths = self.unarmed_paths()?;
        // A file that has gone since it was listed takes no space.
        let lengths = paths.iter().filter_map(|path| path.metadata().ok());
        Ok(lengths.map(|metadata| metadata.len()).sum())
    }

    fn unarmed_paths(&self) -> Result<Vec<PathBuf>> {
        let mut names = self.names()?;
        names.retain(|name| name.starts_with(".acl_") && name.ends_with(".efi.new"));
        let directory = self.entries_directory();
        Ok(names.iter().map(|name| directory.join(name)).collect())
    }

    /// Removes what an interrupted update or rename left.
    fn remove_leftovers(&self) -> Result<()> {
        for path in self.unarmed_paths()? {
            file::remove(path)?;
        }
        for entry in self.named()? {
            if self.is_empty(&entry) {
                file::remove(self.path(&entry))?;
            }
        }
        Ok(())
    }

    fn named(&self) -> Result<Vec<EntryName>> {
        let names = self.names()?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// An entry that cannot be looked at is not taken for empty: it may boot.
    fn is_empty(&self, entry: &EntryName) -> bool {
        std::fs::metadata(self.path(entry)).is_ok_and(|metadata| metadata.len() == 0)
    }

    fn names(&self) -> Result<Vec<String>> {
        let directory = self.entries_directory();
        let list = || -> io::Result<Vec<String>> {
            std::fs::read_dir(&directory)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        list().map_err(|source| Error::ListDirectory {
            path: directory.clone(),
            source,
        })
    }

    fn sync(&self) -> Result<()> {
        let directory = self.entries_directory();
        file::sync_dir(&directory)?;
        File::open(&directory)
            .and_then(|directory| Ok(syncfs(&directory)?))
            .map_err(|source| Error::Sync {
                path: directory,
                source,
            })
    }
}

fn is_directory(path: &Path) -> Result<bool> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(source) => Err(Error::ReadFile {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Renames durably on FAT, where a name's durability is not that of where the bytes are: vfat writes the new name as
/// an empty file's, and the inode later, which a flush of the directory leaves out.
fn rename(from: &Path, to: &Path) -> Result<()> {
    file::rename(from, to)?;
    file::sync(to)
}

fn write_image(path: &Path, version: &str, image: &mut dyn Read, size: u64) -> Result<()> {
    let failed = |source| Error::WriteFile {
        path: path.to_owned(),
        source,
    };
    let mut file = BufWriter::with_capacity(PIECE, File::create(path).map_err(failed)?);
    // One byte more than promised is enough to know that it is wrong.
    let mut image = image.take(size.saturating_add(1));
    let found = io::copy(&mut image, &mut file).map_err(failed)?;
    if found != size {
        return Err(Error::ShortEntry {
            version: version.to_owned(),
            expected: size,
            found,
        });
    }
    let synced = file.flush().and_then(|()| file.get_ref().sync_all());
    synced.map_err(failed)
}
