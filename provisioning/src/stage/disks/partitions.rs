//! `storage.disks`: partition tables.
//!
//! [`plan()`] decides; [`apply`] looks at the disk, writes the table in one piece and tells the kernel. Only GPT.

pub mod fate;
pub mod in_use;
pub mod layout;
mod place;
pub mod plan;
mod reread;
mod wanted;

use std::os::unix::fs::FileTypeExt;

use acl_host::disk::Disk;
use acl_host::gpt::{self, Table};
use acl_host::guid::Guid;

use super::Done;
use super::device::{self, Device};
use super::machine::Machine;
use super::probe::{self, Found};
use crate::config::spec;
use crate::{Error, Result};
pub use fate::{Change, Fate};
use in_use::InUse;
use layout::Layout;
pub use plan::{Plan, plan};

/// Makes the tables of all disks what the config says.
///
/// # Errors
/// [`Error::Device`] before any disk is touched; [`Error::Disk`] and [`Error::Partition`] before the disk that they name is
/// touched; [`Error::Prepare`] when the kernel does not take the table, and errors of the disk.
pub fn apply(disks: &[spec::Disk], machine: &Machine) -> Result<Vec<Done>> {
    let devices = device::wait(disks.iter().map(|disk| disk.device.as_str()), machine)?;
    let mut done = Vec::new();
    for (disk, device) in disks.iter().zip(&devices) {
        done.extend(partition(disk, device, machine)?);
    }
    Ok(done)
}

fn partition(wanted: &spec::Disk, device: &Device, machine: &Machine) -> Result<Vec<Done>> {
    // For reading: a disk that was open for writing is read by udev, and its partitions made anew, when it is closed.
    let disk = Disk::open_read_only(&device.path)?;
    // udev leaves a disk alone that is locked, and with it its partitions, until the kernel knows the new ones.
    let lock = lock(&disk)?;
    let table = read(wanted, &disk)?;
    let layout = match &table {
        Some(table) => Layout::of(table, disk.size()),
        None => Layout::blank(&wanted.device, disk.size(), disk.sector())?,
    };
    let in_use = InUse::look(device, machine)?;
    let guids = new_guids(wanted)?;
    let plan = plan(wanted, &layout, &in_use, &guids)?;
    if plan.is_change() {
        if table.is_none() && !plan.wiped {
            refuse_content(device, machine)?;
        }
        write(&plan, &disk, table)?;
        if is_block_device(device)? {
            reread::apply(&plan, device, &in_use, machine)?;
        }
    }
    drop(lock);
    device.settle(machine)?;
    Ok(plan
        .changes
        .iter()
        .map(|change| Done::new(&device.name, change.to_string()))
        .collect())
}

/// An exclusive lock on a disk, until it is dropped (systemd: "Locking Block Device Access").
fn lock(disk: &Disk) -> Result<std::fs::File> {
    let path = disk.path().to_owned();
    let open = std::fs::File::open(&path).and_then(|file| {
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(file)
    });
    open.map_err(|source| acl_host::Error::OpenDisk { path, source }.into())
}

/// The table to start from; `None` for a disk that is to have a new one.
fn read(wanted: &spec::Disk, disk: &Disk) -> Result<Option<Table>> {
    if wanted.wipe_table == Some(true) {
        return Ok(None);
    }
    let invalid = |reason: String| Error::Disk {
        name: wanted.device.clone(),
        reason,
    };
    match Table::read_if_any(disk) {
        Ok(None) if gpt::has_mbr(disk)? => Err(invalid(
            "it has an MBR partition table, and only GPT is supported; allow it to be erased by wipeTable".to_owned(),
        )),
        Ok(table) => Ok(table),
        Err(acl_host::Error::ReadTable { reason, .. }) => Err(invalid(format!(
            "its partition table is damaged ({reason}); repair it, or allow it to be erased by wipeTable"
        ))),
        Err(other) => Err(other.into()),
    }
}

/// Refuses to put a first table over what a disk without one holds: a file system, a RAID member, an encrypted volume.
fn refuse_content(device: &Device, machine: &Machine) -> Result<()> {
    match probe::probe(device, machine)? {
        Found::Blank => Ok(()),
        found => Err(Error::Disk {
            name: device.name.clone(),
            reason: format!(
                "it has no partition table, and holds {found}; allow it to be erased by wipeTable, or name another device"
            ),
        }),
    }
}

/// A GUID for each partition that may have to be made.
fn new_guids(wanted: &spec::Disk) -> Result<Vec<Guid>> {
    let partitions = wanted.partitions.iter().flatten();
    Ok(partitions
        .map(|_| Guid::random())
        .collect::<Result<_, _>>()?)
}

fn write(plan: &Plan, disk: &Disk, table: Option<Table>) -> Result<()> {
    if plan.wiped && plan.partitions.is_empty() {
        return Ok(gpt::erase(&Disk::open(disk.path())?)?);
    }
    let mut table = match table {
        Some(table) => table,
        None => Table::blank(disk, disk.sector(), Guid::random()?)?,
    };
    for old in table.partitions() {
        table.remove(old.index)?;
    }
    for partition in &plan.partitions {
        table.put(partition, disk.size())?;
    }
    Ok(table.write()?)
}

/// Of a disk in a file the kernel knows nothing.
fn is_block_device(device: &Device) -> Result<bool> {
    let path = &device.path;
    let metadata = std::fs::metadata(path).map_err(|source| acl_host::Error::OpenDisk {
        path: path.to_owned(),
        source,
    })?;
    Ok(metadata.file_type().is_block_device())
}
