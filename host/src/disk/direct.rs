//! Reads and writes past the page cache (`O_DIRECT`, open(2)): what is read is what the device has, and what is written
//! does not push out of memory what others need.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::fs::OFlags;

use super::{Region, within};
use crate::error::{Error, Result};

/// What memory and places on the device are multiples of: no device has larger sectors.
const ALIGNMENT: u64 = 4096;

/// A region that is read and written past the page cache; in the ordinary way where the file system does not allow that.
#[derive(Debug)]
pub struct Direct {
    region: Region,
    file: Option<File>,
}

/// Bytes that belong to one place of a [`Direct`].
#[derive(Debug)]
pub struct Piece {
    memory: Vec<u8>,
    capacity: usize,
    start: usize,
    length: usize,
    offset: u64,
}

impl Piece {
    /// Room for `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        // Up to a block before, since it begins where the device wants it, and whole blocks are read.
        Self {
            memory: vec![0; capacity + 3 * ALIGNMENT as usize],
            capacity,
            start: 0,
            length: 0,
            offset: 0,
        }
    }

    /// Empties it for what belongs at `offset` of a region, so that its memory lies as the device wants it.
    pub fn begin(&mut self, region: &Region, offset: u64) {
        let into = (region.start + offset) % ALIGNMENT;
        let first = self.memory.as_ptr().align_offset(ALIGNMENT as usize);
        self.start = first + into as usize;
        self.length = 0;
        self.offset = offset;
    }

    /// Where it belongs, in bytes of the region.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..][..self.length]
    }

    /// Where its bytes end, in bytes of the region.
    pub fn end(&self) -> u64 {
        self.offset + self.length as u64
    }

    /// Takes as much of `bytes` as there is room for; how much that is.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.capacity - self.length);
        let room = &mut self.memory[self.start + self.length..][..taken];
        room.copy_from_slice(&bytes[..taken]);
        self.length += taken;
        taken
    }
}

impl Direct {
    pub(super) fn new(region: Region) -> Self {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(OFlags::DIRECT.bits().cast_signed());
        let file = options.open(region.disk.path()).ok();
        Self { region, file }
    }

    /// Fills a piece with `length` bytes from `offset`.
    ///
    /// # Errors
    /// [`Error::OutsideOfRegion`], [`Error::ReadDisk`].
    ///
    /// # Panics
    /// When the piece has less room.
    pub fn read(&self, offset: u64, length: usize, piece: &mut Piece) -> Result<()> {
        within(&self.region.name, offset, length, self.region.length)?;
        piece.begin(&self.region, offset);
        let at = self.region.start + offset;
        let before = (at % ALIGNMENT) as usize;
        let needed = before + length;
        let whole = needed.next_multiple_of(ALIGNMENT as usize);
        let memory = &mut piece.memory[piece.start - before..][..whole];
        let read = self.file.as_ref().map(|file| {
            let first = at - before as u64;
            fill(file, memory, first, needed)
        });
        match read {
            Some(Ok(())) => {}
            Some(Err(source)) if !refused(&source) => {
                return Err(Error::ReadDisk {
                    path: self.region.disk.path().to_owned(),
                    offset: at,
                    length,
                    source,
                });
            }
            _ => {
                let bytes = &mut piece.memory[piece.start..][..length];
                self.region.disk.read_at(bytes, at)?;
            }
        }
        piece.length = length;
        Ok(())
    }

    /// Writes a piece to its place; durable after [`Region::flush`].
    ///
    /// # Errors
    /// [`Error::OutsideOfRegion`] before anything is written, [`Error::WriteDisk`].
    pub fn write(&self, piece: &Piece) -> Result<()> {
        let (bytes, offset) = (piece.bytes(), piece.offset);
        within(&self.region.name, offset, bytes.len(), self.region.length)?;
        let at = self.region.start + offset;
        let end = at + bytes.len() as u64;
        // Blocks of which only a part is new go through memory, which has the rest.
        let first = at.next_multiple_of(ALIGNMENT).min(end);
        let last = (end - end % ALIGNMENT).max(first);
        let part = |from: u64, to: u64| &bytes[(from - at) as usize..(to - at) as usize];
        let aligned = part(first, last);
        let written = self
            .file
            .as_ref()
            .map(|file| file.write_all_at(aligned, first));
        match written {
            Some(Ok(())) => {
                self.region.disk.write_at(part(at, first), at)?;
                self.region.disk.write_at(part(last, end), last)
            }
            Some(Err(source)) if !refused(&source) => Err(Error::WriteDisk {
                path: self.region.disk.path().to_owned(),
                offset: first,
                length: aligned.len(),
                source,
            }),
            _ => self.region.disk.write_at(bytes, at),
        }
    }
}

/// Some file systems open a file this way, and then do not take it.
fn refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

/// Reads at least `needed` bytes; the device may end before the memory is full.
fn fill(file: &File, memory: &mut [u8], first: u64, needed: usize) -> io::Result<()> {
    let mut filled = 0;
    while filled < needed {
        match file.read_at(&mut memory[filled..], first + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
