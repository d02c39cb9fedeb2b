//! The platform `qemu`: `-fw_cfg name=opt/com.coreos/config,file=config.ign`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use acl_host::Tool;

use super::bounded::{self, CONFIG};
use super::{Found, Machine};
use crate::{Error, Result};

/// The entry, as Ignition names it, below the module's directory in sysfs.
const ENTRY: &str = "by_name/opt/com.coreos/config";

/// The entry's bytes; none without the entry.
pub(super) fn config(machine: &Machine) -> Result<Found> {
    let module = machine.sys.join("firmware/qemu_fw_cfg");
    if !acl_host::file::exists(&module)? {
        // udev loads it by the ACPI device; a machine without udev's coldplug has to be told.
        let modprobe = machine.tools.command(Tool::Modprobe);
        modprobe.arg("qemu_fw_cfg").run()?;
    }
    let entry = module.join(ENTRY);
    let place = "fw_cfg opt/com.coreos/config".to_owned();
    let config = match bounded::read(&entry.join("size"), 32)? {
        None => None,
        Some(size) => Some(read(&entry.join("raw"), parse_size(&entry, &size)?)?),
    };
    let config = config.filter(|bytes| !bytes.is_empty());
    Ok(Found { config, place })
}

fn parse_size(entry: &Path, text: &[u8]) -> Result<u64> {
    let text = String::from_utf8_lossy(text);
    let size: u64 = text.trim().parse().map_err(|_malformed| {
        let source = io::Error::other(format!("{:?} is not a size", text.trim()));
        bounded::unreadable(&entry.join("size"), source)
    })?;
    if size > CONFIG {
        return Err(bounded::too_large(&entry.display().to_string(), CONFIG));
    }
    Ok(size)
}

/// Reads exactly `size` bytes in as few reads as can be, and never beyond: the module takes time proportional to the
/// offset for each read (drivers/firmware/qemu_fw_cfg.c), and one at the end of the file would be the dearest.
fn read(raw: &Path, size: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    let mut file = File::open(raw).map_err(|source| bounded::unreadable(raw, source))?;
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => {
                return Err(Error::FirmwareSize {
                    path: raw.to_owned(),
                    size,
                    read: filled as u64,
                });
            }
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(bounded::unreadable(raw, source)),
        }
    }
    Ok(bytes)
}
