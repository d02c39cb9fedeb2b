//! Disks, which may be block devices or plain files: nothing here asks which.

mod direct;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, fadvise, ioctl_blksszget};

use crate::error::{Error, Result};
use crate::file;
use crate::guid::Guid;
use crate::verity::ReadAt;

pub use self::direct::{Direct, Piece};

/// An open disk. Clones share the open file.
#[derive(Debug, Clone)]
pub struct Disk {
    file: Arc<File>,
    path: PathBuf,
    size: u64,
    sector: u64,
}

impl Disk {
    /// Opens a disk for reading and writing.
    ///
    /// # Errors
    /// [`Error::OpenDisk`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::open_with(path.into(), OpenOptions::new().read(true).write(true))
    }

    /// Opens a disk for reading only.
    ///
    /// # Errors
    /// [`Error::OpenDisk`].
    pub fn open_read_only(path: impl Into<PathBuf>) -> Result<Self> {
        Self::open_with(path.into(), OpenOptions::new().read(true))
    }

    fn open_with(path: PathBuf, options: &OpenOptions) -> Result<Self> {
        let opened = options.open(&path).and_then(measure);
        match opened {
            Ok((file, size, sector)) => Ok(Self {
                file: Arc::new(file),
                path,
                size,
                sector,
            }),
            Err(source) => Err(Error::OpenDisk { path, source }),
        }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes on the disk.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes in a logical sector: what the device says, 512 for a file.
    pub fn sector(&self) -> u64 {
        self.sector
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// [`Error::ReadDisk`].
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let length = buffer.len();
        FileExt::read_exact_at(&*self.file, buffer, offset).map_err(|source| Error::ReadDisk {
            path: self.path.clone(),
            offset,
            length,
            source,
        })
    }

    /// Writes `bytes` at `offset`; durable after [`Self::flush`].
    ///
    /// # Errors
    /// [`Error::OutsideOfRegion`] beyond the end (a disk in a file would grow), [`Error::WriteDisk`].
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let length = bytes.len();
        within(&self.path.display().to_string(), offset, length, self.size)?;
        FileExt::write_all_at(&*self.file, bytes, offset).map_err(|source| Error::WriteDisk {
            path: self.path.clone(),
            offset,
            length,
            source,
        })
    }

    /// Makes all that was written durable, the device's own cache included.
    ///
    /// # Errors
    /// [`Error::Sync`].
    pub fn flush(&self) -> Result<()> {
        self.file.sync_data().map_err(|source| Error::Sync {
            path: self.path.clone(),
            source,
        })
    }

    /// A part of the disk, `range` in bytes, with a name for messages.
    ///
    /// # Errors
    /// [`Error::OutsideOfRegion`] when the disk is not that long.
    pub fn region(&self, name: impl Into<String>, range: Range<u64>) -> Result<Region> {
        let name = name.into();
        let length = range.end.saturating_sub(range.start);
        if range.end > self.size {
            return Err(Error::OutsideOfRegion {
                name: self.path.display().to_string(),
                offset: range.start,
                length,
                size: self.size,
            });
        }
        Ok(Region {
            disk: self.clone(),
            name,
            start: range.start,
            length,
        })
    }
}

/// A part of a disk, such as a partition: cannot be written beyond its end.
#[derive(Debug, Clone)]
pub struct Region {
    disk: Disk,
    name: String,
    start: u64,
    length: u64,
}

impl Region {
    /// Its name, as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes in it.
    pub fn size(&self) -> u64 {
        self.length
    }

    /// Writes `bytes` at `offset` of the region; durable after [`Self::flush`].
    ///
    /// # Errors
    /// [`Error::OutsideOfRegion`] before anything is written, [`Error::WriteDisk`].
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        within(&self.name, offset, bytes.len(), self.length)?;
        self.disk.write_at(bytes, self.start + offset)
    }

    /// Fills `buffer` from `offset` of the region.
    ///
    /// # Errors
    /// [`Error::OutsideOfRegion`], [`Error::ReadDisk`].
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        within(&self.name, offset, buffer.len(), self.length)?;
        self.disk.read_at(buffer, self.start + offset)
    }

    /// Makes all that was written to the disk durable, and drops what memory still holds of this region, so that the
    /// next read comes from the device.
    ///
    /// # Errors
    /// [`Error::Sync`].
    pub fn flush(&self) -> Result<()> {
        self.disk.flush()?;
        self.forget();
        Ok(())
    }

    /// Drops what memory holds of this region and is on the disk already, so that it makes room for others, and the next
    /// read comes from the device.
    pub fn forget(&self) {
        // Only advice: where the kernel does not follow it, the read-back proves less, and nothing breaks.
        let length = NonZeroU64::new(self.length);
        let _ = fadvise(&*self.disk.file, self.start, length, Advice::DontNeed);
    }

    /// The way past the page cache to it.
    pub fn direct(&self) -> Direct {
        Direct::new(self.clone())
    }

    /// Its first `length` bytes, or all of it when it is shorter.
    pub fn first(self, length: u64) -> Self {
        self.part(0..length)
    }

    /// What of `range`, in bytes of the region, is in it.
    pub fn part(mut self, range: Range<u64>) -> Self {
        let (start, end) = (range.start.min(self.length), range.end.min(self.length));
        self.start += start;
        self.length = end.saturating_sub(start);
        self
    }
}

impl ReadAt for Region {
    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset.saturating_add(buffer.len() as u64) > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Whoever reads this way knows neither the disk nor the place on it.
        let read = self.disk.read_at(buffer, self.start + offset);
        read.map_err(|error| match &error {
            Error::ReadDisk { source, .. } => io::Error::new(source.kind(), error),
            _ => io::Error::other(error),
        })
    }
}

fn within(name: &str, offset: u64, length: usize, size: u64) -> Result<()> {
    let length = length as u64;
    if offset.saturating_add(length) <= size {
        return Ok(());
    }
    Err(Error::OutsideOfRegion {
        name: name.to_owned(),
        offset,
        length,
        size,
    })
}

/// The size and the sector size of an open disk.
fn measure(mut file: File) -> io::Result<(File, u64, u64)> {
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let sector = if kind.is_block_device() {
        ioctl_blksszget(&file)?.into()
    } else {
        512
    };
    // Works for both kinds; the length that metadata tells of a block device is 0.
    let size = file.seek(SeekFrom::End(0))?;
    Ok((file, size, sector))
}

/// The whole disk that has a partition `guid`, as `<root>/dev/<name>`; asked of the kernel
/// (`<root>/sys/class/block`), and where that kernel does not tell GUIDs, of udev (`<root>/dev/disk/by-partuuid`).
///
/// # Errors
/// [`Error::FindDisk`] for none, [`Error::AmbiguousDisk`] for several (a copy of a disk is attached),
/// [`Error::ListDirectory`].
pub fn find(root: &Path, guid: Guid) -> Result<PathBuf> {
    let blocks = root.join("sys/class/block");
    let mut disks = Vec::new();
    for partition in list(&blocks)? {
        if tells(&partition, guid) {
            disks.extend(whole_disk(&partition));
        }
    }
    if disks.is_empty() {
        let link = std::fs::read_link(root.join(format!("dev/disk/by-partuuid/{guid}")));
        let name = link.ok().and_then(|link| link.file_name().map(Into::into));
        disks.extend(name.and_then(|name: PathBuf| whole_disk(&blocks.join(name))));
    }
    match disks.as_slice() {
        [] => Err(Error::FindDisk { guid }),
        [disk] => Ok(root.join("dev").join(disk)),
        _ => Err(Error::AmbiguousDisk { guid, disks }),
    }
}

/// Whether the uevent of a partition tells this GUID.
fn tells(partition: &Path, guid: Guid) -> bool {
    // Devices come and go while they are listed: one that cannot be read is not the one.
    file::read_to_string(partition.join("uevent")).is_ok_and(|text| {
        text.lines()
            .filter_map(|line| line.strip_prefix("PARTUUID="))
            .any(|text| text.parse().is_ok_and(|found: Guid| found == guid))
    })
}

/// The name of the disk that a partition's directory in sysfs lies in.
fn whole_disk(partition: &Path) -> Option<String> {
    let real = partition.canonicalize().ok()?;
    Some(real.parent()?.file_name()?.to_str()?.to_owned())
}

fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::ListDirectory {
        path: directory.to_owned(),
        source,
    };
    let mut paths = std::fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}
