//! The EFI system partition as a FAT32 image in a file: boot loader, its configuration, boot entries.
//!
//! Volume number and times are fixed, so the same content gives the same bytes.

mod dots;

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use fatfs::{
    Date, DateTime, Dir, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider,
};

use crate::Error;

/// What systemd-boot is told (loader.conf(5)): start the newest entry at once, let nobody edit its command line, and
/// leave the firmware's keys alone.
const LOADER_CONF: &str = "timeout 0\neditor no\nsecure-boot-enroll off\n";

/// Tells systemd's tools that entries follow UAPI.1 (bootctl(1), `entries.srel`).
const ENTRIES_SREL: &str = "type1\n";

/// What goes on the partition; both programs are signed already.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// systemd-boot.
    pub boot_loader: &'a [u8],
    /// File name of the boot entry, such as `acl_1.0.0.efi`.
    pub entry: &'a str,
    /// The UKI.
    pub uki: &'a [u8],
}

/// Writes the image, `size` bytes long; what holds no data is a hole in the file. An old file is replaced.
///
/// # Errors
/// [`Error::WriteImage`], also when the content does not fit.
pub fn build(out: &Path, size: u64, content: Content<'_>) -> Result<(), Error> {
    write(out, size, content).map_err(|source| Error::WriteImage {
        path: out.into(),
        source,
    })
}

fn write(out: &Path, size: u64, content: Content<'_>) -> io::Result<()> {
    let mut image = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(out)?;
    image.set_len(size)?;
    let volume = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .volume_id(0x4143_4c00)
        .volume_label(*b"ESP        ");
    fatfs::format_volume(&mut image, volume)?;
    change(&mut image, make_directories)?;
    dots::repair(&image)?;
    change(&mut image, |root| fill(root, content))
}

/// Opens the file system, calls `change` with its root directory, and closes it.
fn change(
    image: &mut File,
    change: impl FnOnce(&Dir<'_, &mut File>) -> io::Result<()>,
) -> io::Result<()> {
    image.rewind()?;
    let file_system = FileSystem::new(image, FsOptions::new().time_provider(&Epoch))?;
    change(&file_system.root_dir())?;
    // Counts the free clusters, which the file system then tells instead of having every reader count them.
    file_system.stats()?;
    file_system.unmount()
}

fn make_directories(root: &Dir<'_, &mut File>) -> io::Result<()> {
    for directory in [
        "EFI",
        "EFI/BOOT",
        "EFI/systemd",
        "EFI/Linux",
        "loader",
        "loader/entries",
    ] {
        root.create_dir(directory)?;
    }
    Ok(())
}

fn fill(root: &Dir<'_, &mut File>, content: Content<'_>) -> io::Result<()> {
    let entry = format!("EFI/Linux/{}", content.entry);
    let files = [
        ("EFI/BOOT/BOOTX64.EFI", content.boot_loader),
        ("EFI/systemd/systemd-bootx64.efi", content.boot_loader),
        ("loader/loader.conf", LOADER_CONF.as_bytes()),
        ("loader/entries.srel", ENTRIES_SREL.as_bytes()),
        (entry.as_str(), content.uki),
    ];
    for (path, bytes) in files {
        let mut file = root.create_file(path)?;
        file.write_all(bytes)?;
        file.flush()?;
    }
    Ok(())
}

/// The first moment that FAT can tell.
#[derive(Debug)]
struct Epoch;

impl TimeProvider for Epoch {
    fn get_current_date(&self) -> Date {
        Date {
            year: 1980,
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
