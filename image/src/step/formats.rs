//! The disk image in the formats of clouds and hypervisors.

mod vhd;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use acl_host::tool::{Tool, Tools};

use crate::step::disk::MIB;
use crate::{Error, sparse};

/// Writes `raw` as a fixed VHD: the disk itself, rounded up to whole MiB as Azure asks, and a footer. An old file is
/// replaced.
///
/// # Errors
/// [`Error::ReadInput`], [`Error::WriteImage`].
pub fn vhd(raw: &Path, out: &Path) -> Result<(), Error> {
    let mut source = File::open(raw).map_err(|source| Error::ReadInput {
        path: raw.into(),
        source,
    })?;
    write_vhd(&mut source, out).map_err(|source| Error::WriteImage {
        path: out.into(),
        source,
    })
}

fn write_vhd(source: &mut File, out: &Path) -> io::Result<()> {
    let size = source.metadata()?.len().next_multiple_of(MIB);
    let mut image = File::create(out)?;
    sparse::copy(source, &image, 0)?;
    image.set_len(size)?;
    image.seek(SeekFrom::End(0))?;
    image.write_all(&vhd::footer(size, identity(source)?))
}

/// A number for the disk that follows from its first MiB, where the partition table with its GUIDs is.
fn identity(disk: &mut File) -> io::Result<[u8; 16]> {
    let mut start = Vec::new();
    disk.rewind()?;
    disk.take(MIB).read_to_end(&mut start)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &start);
    let mut identity = [0; 16];
    identity.copy_from_slice(&digest.as_ref()[..16]);
    Ok(identity)
}

/// Writes `raw` as qcow2 (version 3, not compressed) by `qemu-img`. An old file is replaced.
///
/// # Errors
/// [`Error::Host`] from `qemu-img`.
pub fn qcow2(raw: &Path, out: &Path, tools: &Tools) -> Result<(), Error> {
    tools
        .command(Tool::QemuImg)
        // One request at a time and in order, so that clusters are always allocated in the same order.
        .args(["convert", "-m", "1", "-f", "raw", "-O", "qcow2"])
        .args([raw, out])
        .run()?;
    Ok(())
}
