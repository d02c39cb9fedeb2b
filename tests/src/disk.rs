//! Disk images of machines that are switched off: copied, looked into, damaged.
//!
//! The table is read by the crate below `acl_host::gpt`, not by it: the tests must not share its mistakes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use fatfs::{Date, DateTime, FileSystem, FsOptions, Time, TimeProvider};
use rustix::fs::{SeekFrom as Extent, seek};
use rustix::io::Errno;

/// Copies a disk image; holes stay holes.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let source = File::open(from).with_context(|| format!("cannot open {}", from.display()))?;
    let target = File::create(to).with_context(|| format!("cannot make {}", to.display()))?;
    copy_extents(&source, &target).with_context(|| format!("cannot copy {}", from.display()))
}

fn copy_extents(source: &File, target: &File) -> io::Result<()> {
    target.set_len(source.metadata()?.len())?;
    let mut end = 0;
    loop {
        let start = match seek(source, Extent::Data(end)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        end = seek(source, Extent::Hole(start))?;
        let (mut reader, mut writer) = (source, target);
        reader.seek(SeekFrom::Start(start))?;
        writer.seek(SeekFrom::Start(start))?;
        io::copy(&mut reader.take(end - start), &mut writer)?;
    }
}

/// The first byte and the length of the partition labelled `label`.
///
/// # Errors
/// When the disk has no table or no such partition.
pub fn partition(disk: &Path, label: &str) -> Result<std::ops::Range<u64>> {
    let mut file = File::open(disk).with_context(|| format!("cannot open {}", disk.display()))?;
    let table = gptman::GPT::find_from(&mut file)
        .with_context(|| format!("{} has no partition table", disk.display()))?;
    let (_, partition) = table
        .iter()
        .find(|(_, partition)| partition.partition_name.as_str() == label)
        .with_context(|| format!("{} has no partition {label}", disk.display()))?;
    let sector = table.sector_size;
    Ok(partition.starting_lba * sector..(partition.ending_lba + 1) * sector)
}

/// Flips every bit of the byte at `offset` of `file`.
///
/// # Errors
/// When it cannot be read or written.
pub fn flip(file: &Path, offset: u64) -> Result<()> {
    let opened = OpenOptions::new().read(true).write(true).open(file)?;
    let mut byte = [0];
    opened.read_exact_at(&mut byte, offset)?;
    opened.write_all_at(&[!byte[0]], offset)?;
    Ok(())
}

/// The names in `EFI/Linux` of the disk's ESP, sorted.
///
/// # Errors
/// When there is no such file system.
pub fn entries(disk: &Path) -> Result<Vec<String>> {
    let esp = open_esp(disk)?;
    let mut names = Vec::new();
    for entry in esp.root_dir().open_dir("EFI/Linux")?.iter() {
        let entry = entry?;
        if entry.is_file() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    Ok(names)
}

/// Flips the byte in the middle of the ESP's file `path`, such as `EFI/Linux/acl_1.efi`.
///
/// # Errors
/// When there is no such file.
pub fn flip_esp_file(disk: &Path, path: &str) -> Result<()> {
    let esp = open_esp(disk)?;
    let mut file = esp
        .root_dir()
        .open_file(path)
        .with_context(|| format!("the ESP has no {path}"))?;
    let middle = file.seek(SeekFrom::End(0))? / 2;
    let mut byte = [0];
    file.seek(SeekFrom::Start(middle))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(middle))?;
    file.write_all(&[!byte[0]])?;
    file.flush()?;
    Ok(())
}

fn open_esp(disk: &Path) -> Result<FileSystem<Window>> {
    let range = partition(disk, "ESP")?;
    let file = OpenOptions::new().read(true).write(true).open(disk)?;
    let window = Window {
        file,
        range,
        position: 0,
    };
    FileSystem::new(window, FsOptions::new().time_provider(&ThisYear))
        .with_context(|| format!("{} has no file system on its ESP", disk.display()))
}

/// The date of what is written to an ESP. The default of `fatfs` is the day 0 of the month 0, and firmware does not
/// rename a file of such a date: a boot entry would never lose a try.
#[derive(Debug)]
struct ThisYear;

impl TimeProvider for ThisYear {
    fn get_current_date(&self) -> Date {
        Date {
            year: 2026,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime {
            date: self.get_current_date(),
            time: Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

/// A partition of an image, as a file of its own.
#[derive(Debug)]
struct Window {
    file: File,
    range: std::ops::Range<u64>,
    position: u64,
}

impl Window {
    /// How much of `wanted` bytes lies in the window, and where in the file.
    fn clip(&self, wanted: usize) -> (usize, u64) {
        let at = self.range.start.saturating_add(self.position);
        let left = self.range.end.saturating_sub(at);
        (wanted.min(usize::try_from(left).unwrap_or(wanted)), at)
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (count, at) = self.clip(buffer.len());
        let count = self.file.read_at(&mut buffer[..count], at)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Window {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (count, at) = self.clip(buffer.len());
        let count = self.file.write_at(&buffer[..count], at)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let length = self.range.end - self.range.start;
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::{copy, flip};
    use std::fs::File;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn copies_keep_bytes_and_holes() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let source = File::create(&from).unwrap();
        source.set_len(64 << 20).unwrap();
        source.write_all_at(b"in the middle", 32 << 20).unwrap();
        copy(&from, &to).unwrap();
        assert!(std::fs::read(&from).unwrap() == std::fs::read(&to).unwrap());
        assert!(std::fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_flip_changes_one_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        acl_host::file::scratch(&path, &[1, 2, 3]).unwrap();
        flip(&path, 1).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [1, !2, 3]);
    }
}
