//! The two copies of a table on a disk: where they lie, reading one, writing one.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use gptman::{GPTHeader, GPTPartitionEntry};

use super::medium::Medium;
use crate::error::{Error, Result};

/// Bytes of an entry; UEFI allows larger ones, nobody makes them.
pub(super) const ENTRY: u32 = 128;

/// More entries than this are no table but damage.
const MOST_ENTRIES: u32 = 1024;

/// A copy that was whole, as the primary one.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) sector: u64,
    pub(super) header: GPTHeader,
    pub(super) entries: Vec<GPTPartitionEntry>,
}

/// The primary copy, or why it is none. The outer error is the disk's. A disk image does not tell the size of its
/// sectors: after the device's own, 4096 is tried.
pub(super) fn read_primary(medium: &impl Medium) -> Result<Result<Copy, String>> {
    in_either_sector(medium, |_, _| 1)
}

/// The backup copy, in the last sector.
pub(super) fn read_backup(medium: &impl Medium) -> Result<Result<Copy, String>> {
    in_either_sector(medium, |size, sector| (size / sector).saturating_sub(1))
}

fn in_either_sector(
    medium: &impl Medium,
    place: impl Fn(u64, u64) -> u64,
) -> Result<Result<Copy, String>> {
    let sector = medium.sector();
    let first = read(medium, sector, place(medium.size(), sector))?;
    if first.is_ok() || sector == 4096 {
        return Ok(first);
    }
    let second = read(medium, 4096, place(medium.size(), 4096))?;
    Ok(second.or(first))
}

fn read(medium: &impl Medium, sector: u64, lba: u64) -> Result<Result<Copy, String>> {
    if medium.size() < (lba + 1) * sector || lba == 0 {
        return Ok(Err("the disk is too small to hold one".to_owned()));
    }
    let mut window = Window::read(medium, lba * sector, sector)?;
    let header = match GPTHeader::read_from(window.at(lba * sector)) {
        Ok(header) => header,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if let Err(reason) = sane(&header, lba, medium.size() / sector) {
        return Ok(Err(reason));
    }
    let array = header.partition_entry_lba * sector;
    // gptman 3.1.1 reads 152 bytes for each entry of 128 and uses the first 128: give it what lies behind the last.
    let length = (array_bytes(&header) + sector).min(medium.size() - array);
    let mut window = Window::read(medium, array, length)?;
    let entries = match header.read_partitions(&mut window, sector) {
        Ok(entries) => entries,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let last = medium.size() / sector - 1;
    if entries
        .iter()
        .any(|e| e.is_used() && !(1..=last).contains(&e.starting_lba))
        || entries
            .iter()
            .any(|e| e.is_used() && !(e.starting_lba..=last).contains(&e.ending_lba))
    {
        return Ok(Err("it has a partition that is not on the disk".to_owned()));
    }
    Ok(Ok(Copy {
        sector,
        header: as_primary(header),
        entries,
    }))
}

/// Refuses what has a right checksum and still cannot be: gptman would believe it.
fn sane(header: &GPTHeader, lba: u64, sectors: u64) -> Result<(), String> {
    let array = header.partition_entry_lba;
    if header.primary_lba != lba {
        Err(format!("it says it lies in sector {}", header.primary_lba))
    } else if header.size_of_partition_entry != ENTRY {
        Err("its entries are not 128 bytes".to_owned())
    } else if !(1..=MOST_ENTRIES).contains(&header.number_of_partition_entries) {
        Err(format!(
            "it has {} entries",
            header.number_of_partition_entries
        ))
    } else if array < 2 || array >= sectors || header.backup_lba >= sectors {
        Err("it points outside of the disk".to_owned())
    } else {
        Ok(())
    }
}

fn as_primary(mut header: GPTHeader) -> GPTHeader {
    if header.primary_lba != 1 {
        header.backup_lba = header.primary_lba;
        header.primary_lba = 1;
        header.partition_entry_lba = 2;
    }
    header
}

/// Moves the backup copy to the end of a disk that has grown, where firmware and kernel look for it.
pub(super) fn fit(header: &mut GPTHeader, last: u64, sector: u64) -> Result<(), String> {
    if header.backup_lba > last {
        return Err("the disk is shorter than its table says".to_owned());
    }
    if header.backup_lba < last {
        header.backup_lba = last;
        header.last_usable_lba = last - array_bytes(header).div_ceil(sector) - 1;
    }
    Ok(())
}

/// The headers of both copies, from the primary one.
pub(super) fn headers(primary: &GPTHeader) -> (GPTHeader, GPTHeader) {
    let mut backup = primary.clone();
    backup.primary_lba = primary.backup_lba;
    backup.backup_lba = primary.primary_lba;
    backup.partition_entry_lba = primary.last_usable_lba + 1;
    (primary.clone(), backup)
}

/// Writes one copy in one piece and flushes it.
pub(super) fn write(
    medium: &impl Medium,
    sector: u64,
    mut header: GPTHeader,
    entries: &[GPTPartitionEntry],
) -> Result<()> {
    let (place, array) = (
        header.primary_lba * sector,
        header.partition_entry_lba * sector,
    );
    let start = place.min(array);
    let end = (place + sector).max((array + array_bytes(&header)).next_multiple_of(sector));
    if end - start > 1 << 20 {
        return Err(invalid(medium, "its header and its entries lie far apart"));
    }
    // What may lie between the two stays as it is.
    let mut window = Window::read(medium, start, end - start)?;
    header
        .write_into(&mut window, sector, entries)
        .map_err(|error| invalid(medium, &error.to_string()))?;
    medium.write_at(window.bytes.get_ref(), start)?;
    medium.flush()
}

fn array_bytes(header: &GPTHeader) -> u64 {
    u64::from(header.number_of_partition_entries) * u64::from(header.size_of_partition_entry)
}

fn invalid(medium: &impl Medium, reason: &str) -> Error {
    Error::InvalidTable {
        path: medium.path().to_owned(),
        reason: reason.to_owned(),
    }
}

/// A piece of the disk in memory, which takes the offsets of the disk: gptman seeks on what it thinks is the disk.
struct Window {
    start: u64,
    bytes: Cursor<Vec<u8>>,
}

impl Window {
    fn read(medium: &impl Medium, start: u64, length: u64) -> Result<Self> {
        let mut bytes = vec![0; length as usize];
        medium.read_at(&mut bytes, start)?;
        Ok(Self {
            start,
            bytes: Cursor::new(bytes),
        })
    }

    fn at(&mut self, offset: u64) -> &mut Self {
        self.bytes.set_position(offset.saturating_sub(self.start));
        self
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Write for Window {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let end = self.bytes.position() + buffer.len() as u64;
        if end > self.bytes.get_ref().len() as u64 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Window {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match position {
            SeekFrom::Start(offset) if offset >= self.start => {
                self.at(offset);
                Ok(offset)
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}
