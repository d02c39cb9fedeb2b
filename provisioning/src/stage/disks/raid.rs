//! `storage.raid`: arrays of the kernel's software RAID.
//!
//! As in Ignition, an array is made anew whatever its members held.

use acl_host::Tool;

use super::Done;
use super::device::{self, Device};
use super::machine::{Line, Machine};
use crate::config::spec::Raid;
use crate::{Error, Result};

/// Makes the arrays, one after the other; `/dev/md/<name>` is there when it returns.
///
/// # Errors
/// [`Error::Device`] for a member that does not appear, before any array is made; [`Error::Raid`], [`Error::Prepare`].
pub fn apply(arrays: &[Raid], machine: &Machine) -> Result<Vec<Done>> {
    let all: Vec<Vec<Device>> = arrays
        .iter()
        .map(|array| device::wait(members(array).iter().map(String::as_str), machine))
        .collect::<Result<_>>()?;
    let mut done = Vec::new();
    for (array, devices) in arrays.iter().zip(&all) {
        machine.run("make the RAID array", &array.name, &create(array, devices)?)?;
        machine.settle()?;
        let level = array.level.as_deref().unwrap_or_default();
        done.push(Done::new(
            &array.name,
            format!("{level} of {} devices made", devices.len()),
        ));
    }
    Ok(done)
}

fn members(array: &Raid) -> &[String] {
    array.devices.as_deref().unwrap_or_default()
}

/// The command that makes an array of `devices`.
///
/// # Errors
/// [`Error::Raid`] without a level or devices, or with more spares than devices.
pub fn create(array: &Raid, devices: &[Device]) -> Result<Line> {
    let invalid = |reason: &str| Error::Raid {
        name: array.name.clone(),
        reason: reason.to_owned(),
    };
    let level = array.level.as_deref().filter(|level| !level.is_empty());
    let level = level.ok_or_else(|| invalid("it has no level"))?;
    let spares = usize::try_from(array.spares.unwrap_or_default()).ok();
    let spares = spares.ok_or_else(|| invalid("its number of spares is negative"))?;
    let active = match devices.len().checked_sub(spares) {
        None | Some(0) => return Err(invalid("it needs more devices than spares")),
        Some(active) => active.to_string(),
    };
    let mut line = Line::new(
        Tool::Mdadm,
        [
            "--create",
            &array.name,
            "--force",
            "--run",
            "--homehost",
            "any",
            "--level",
            level,
            "--raid-devices",
            &active,
        ],
    );
    if spares > 0 {
        line.args
            .extend(["--spare-devices".to_owned(), spares.to_string()]);
    }
    line.args.extend(array.options.iter().flatten().cloned());
    line.args.extend(devices.iter().map(Device::arg));
    Ok(line)
}
