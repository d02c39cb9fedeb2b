//! What a table is written to: a disk, or in tests a recorder that cuts the power.

use std::path::Path;

use crate::disk::Disk;
use crate::error::Result;

pub(super) trait Medium {
    fn path(&self) -> &Path;
    fn size(&self) -> u64;
    fn sector(&self) -> u64;
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()>;
    fn flush(&self) -> Result<()>;
}

impl Medium for Disk {
    fn path(&self) -> &Path {
        self.path()
    }

    fn size(&self) -> u64 {
        self.size()
    }

    fn sector(&self) -> u64 {
        self.sector()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.write_at(bytes, offset)
    }

    fn flush(&self) -> Result<()> {
        self.flush()
    }
}
