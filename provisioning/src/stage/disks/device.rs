//! Devices, by the names that a config gives them.

use std::path::PathBuf;

use acl_host::Tool;

use super::machine::{Line, Machine};
use crate::{Error, Result};

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// What the config calls it: `/dev/disk/by-id/…`.
    pub name: String,
    /// What the kernel calls it, after all symbolic links: `/dev/sda`.
    ///
    /// Found once: udev replaces links while a device is written to.
    pub path: PathBuf,
}

impl Device {
    /// The path as an argument.
    pub(crate) fn arg(&self) -> String {
        self.path.display().to_string()
    }

    /// Waits until udev has seen what was done to it: an event that is asked for now comes back after those that are on
    /// their way. The device itself must be one that udev does not make anew: the disk, not its partition.
    pub(crate) fn settle(&self, machine: &Machine) -> Result<()> {
        if machine.has_udev()? {
            let line = Line::new(Tool::Udevadm, ["trigger", "--settle", &self.arg()]);
            machine.programs.run(&line, Some(machine.patience * 2))?;
        }
        machine.settle()
    }

    /// The kernel's name of it, as in `/sys/class/block`.
    pub(crate) fn kernel_name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// Waits for all of the devices, for [`Machine::patience`] at most, and finds where their names lead.
///
/// # Errors
/// [`Error::Device`], with the name that the config gives it.
pub fn wait<'a>(
    names: impl IntoIterator<Item = &'a str>,
    machine: &Machine,
) -> Result<Vec<Device>> {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    machine.settle()?;
    names.into_iter().map(|name| find(name, machine)).collect()
}

fn find(name: &str, machine: &Machine) -> Result<Device> {
    let place = machine.path(name);
    let waited = match acl_host::file::exists(&place)? {
        true => Ok(Vec::new()),
        false => machine
            .programs
            .run(&waiting(name, machine), Some(machine.patience * 2)),
    };
    let missing = |source| Error::Device {
        name: name.to_owned(),
        seconds: machine.patience.as_secs(),
        source,
    };
    waited.map_err(|error| missing(Some(error)))?;
    match place.canonicalize() {
        Ok(path) => Ok(Device {
            name: name.to_owned(),
            path,
        }),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Err(missing(None)),
        Err(source) => {
            let path = place;
            Err(acl_host::Error::OpenDisk { path, source }.into())
        }
    }
}

fn waiting(name: &str, machine: &Machine) -> Line {
    let limit = format!("--timeout={}", machine.patience.as_secs());
    Line::new(Tool::Udevadm, ["wait", "--settle", &limit, name])
}
