//! `storage.filesystems`: what is made on a device, what is kept (operator notes, "Filesystem-Reuse Semantics").

use acl_host::Tool;

use super::Done;
use super::device::{self, Device};
use super::machine::{Line, Machine};
use super::probe::{self, Found};
use crate::config::spec::Filesystem;
use crate::{Error, Result};

/// What is done with a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It holds what is wanted.
    Reuse,
    /// These programs run, in this order.
    Make(Vec<Line>),
}

/// Makes what the config says, on one device after the other.
///
/// # Errors
/// [`Error::Device`], [`Error::Filesystem`], [`Error::Prepare`].
pub fn apply(filesystems: &[Filesystem], machine: &Machine) -> Result<Vec<Done>> {
    let wanted = filesystems.iter().filter(|wanted| wanted.format.is_some());
    let names = wanted.clone().map(|wanted| wanted.device.as_str());
    let devices = device::wait(names, machine)?;
    let mut done = Vec::new();
    for (wanted, device) in wanted.zip(&devices) {
        let format = wanted.format.as_deref().unwrap_or_default();
        let what = match decide(wanted, device, &probe::probe(device, machine)?)? {
            Decision::Reuse if format == "none" => "nothing is there, as wanted".to_owned(),
            Decision::Reuse => format!("{format} is there already"),
            Decision::Make(lines) => {
                for line in &lines {
                    machine.run(&format!("make {format} on"), &device.name, line)?;
                }
                match format {
                    "none" => "erased".to_owned(),
                    _ => format!("{format} made"),
                }
            }
        };
        done.push(Done::new(&device.name, what));
    }
    Ok(done)
}

/// What is to be done, from what is wanted and what is there.
///
/// # Errors
/// [`Error::Filesystem`] for something else that the config does not allow to wipe, and for an unknown format.
pub fn decide(wanted: &Filesystem, device: &Device, found: &Found) -> Result<Decision> {
    let format = wanted.format.as_deref().unwrap_or_default();
    if wanted.wipe_filesystem != Some(true) {
        match found {
            Found::Blank if format == "none" => return Ok(Decision::Reuse),
            Found::Blank => {}
            found if matches(wanted, found) => return Ok(Decision::Reuse),
            found => return Err(mismatch(wanted, found)),
        }
    }
    let mut lines = vec![wipe(device)];
    lines.extend(mkfs(wanted, device)?);
    Ok(Decision::Make(lines))
}

/// Removes every signature; mkfs alone leaves those that it does not overwrite.
pub(super) fn wipe(device: &Device) -> Line {
    Line::new(Tool::Wipefs, ["-a", &device.arg()])
}

fn matches(wanted: &Filesystem, found: &Found) -> bool {
    let Found::Content(found) = found else {
        return false;
    };
    let format = wanted.format.as_deref().unwrap_or_default();
    let same = |uuid: &str| plain_uuid(format, uuid) == plain_uuid(format, &found.uuid);
    found.kind == format
        && wanted
            .label
            .as_ref()
            .is_none_or(|label| *label == found.label)
        && wanted.uuid.as_deref().is_none_or(same)
}

fn mismatch(wanted: &Filesystem, found: &Found) -> Error {
    let format = wanted.format.as_deref().unwrap_or_default();
    let mut asked = format.to_owned();
    for (name, value) in [("label", &wanted.label), ("UUID", &wanted.uuid)] {
        if let Some(value) = value {
            asked.push_str(&format!(", {name} {value:?}"));
        }
    }
    Error::Filesystem {
        device: wanted.device.clone(),
        reason: format!(
            "it holds {found}, and {asked} is wanted; allow it to be erased by wipeFilesystem, or name another device"
        ),
    }
}

/// The command that makes the file system; none for the format `none`. The config's options stand first, as Ignition has it.
fn mkfs(wanted: &Filesystem, device: &Device) -> Result<Option<Line>> {
    let format = wanted.format.as_deref().unwrap_or_default();
    let (tool, force, uuid, label) = match format {
        "btrfs" => (Tool::MkfsBtrfs, Some("--force"), "-U", "-L"),
        "ext4" => (Tool::MkfsExt4, Some("-F"), "-U", "-L"),
        "swap" => (Tool::Mkswap, Some("-f"), "-U", "-L"),
        // It always overwrites, and has no flag for it.
        "vfat" => (Tool::MkfsVfat, None, "-i", "-n"),
        "xfs" => (Tool::MkfsXfs, Some("-f"), "-m", "-L"),
        "none" => return Ok(None),
        _ => {
            return Err(Error::Filesystem {
                device: wanted.device.clone(),
                reason: format!("the format {format:?} is not supported"),
            });
        }
    };
    let mut args = wanted.options.clone().unwrap_or_default();
    args.extend(force.map(str::to_owned));
    if let Some(value) = &wanted.uuid {
        let value = plain_uuid(format, value);
        args.push(uuid.to_owned());
        args.push(if format == "xfs" {
            format!("uuid={value}")
        } else {
            value
        });
    }
    if let Some(value) = &wanted.label {
        args.extend([label.to_owned(), value.clone()]);
    }
    args.push(device.arg());
    Ok(Some(Line { tool, args }))
}

/// A UUID in the form that two equal ones share. The volume ID of FAT has a dash for blkid, and none for mkfs.
fn plain_uuid(format: &str, uuid: &str) -> String {
    let lower = uuid.to_lowercase();
    match lower.split_once('-') {
        Some((head, tail)) if format == "vfat" && head.len() == 4 => format!("{head}{tail}"),
        _ => lower,
    }
}
