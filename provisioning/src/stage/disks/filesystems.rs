//! `storage.filesystems`: what is made on a device, what is kept (operator notes, "Filesystem-Reuse Semantics").

use acl_host::Tool;

use super::Done;
use super::device::{self, Device};
use super::machine::{Line, Machine};
use super::probe::{self, Content, Found};
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
        let found = probe::probe(device, machine)?;
        let decision = decide(wanted, device, &found)?;
        if let Decision::Make(lines) = &decision {
            let format = wanted.format.as_deref().unwrap_or_default();
            for line in lines {
                machine.run(&format!("make {format} on"), &device.name, line)?;
            }
        }
        done.push(Done::new(&device.name, outcome(wanted, &decision, &found)));
    }
    Ok(done)
}

/// What was done, for the log.
fn outcome(wanted: &Filesystem, decision: &Decision, found: &Found) -> String {
    let format = wanted.format.as_deref().unwrap_or_default();
    let others = found.beside(format);
    match (decision, format) {
        (Decision::Reuse, "none") => "it holds nothing, as the config asks".to_owned(),
        (Decision::Reuse, _) if others.is_empty() => format!("{format} is there already"),
        (Decision::Reuse, _) => {
            format!("{format} is there already, with signatures of {others}, which are left alone")
        }
        (Decision::Make(_), "none") => "erased".to_owned(),
        (Decision::Make(_), _) => format!("{format} made"),
    }
}

/// What is to be done, from what is wanted and what is there.
///
/// # Errors
/// [`Error::Filesystem`] for something else that the config does not allow to wipe, and for an unknown format.
pub fn decide(wanted: &Filesystem, device: &Device, found: &Found) -> Result<Decision> {
    let format = wanted.format.as_deref().unwrap_or_default();
    let mut lines = Vec::new();
    if wanted.wipe_filesystem == Some(true) {
        lines.push(wipe(device));
    } else {
        match found {
            Found::Blank if format == "none" => return Ok(Decision::Reuse),
            Found::Blank => {}
            found if found.find(|content| matches(wanted, content)).is_some() => {
                return Ok(Decision::Reuse);
            }
            found => return Err(mismatch(wanted, found)),
        }
    }
    lines.extend(mkfs(wanted, device)?);
    Ok(Decision::Make(lines))
}

/// Removes every signature; mkfs alone leaves those that it does not overwrite. Only where the config asks for it.
pub(super) fn wipe(device: &Device) -> Line {
    Line::new(Tool::Wipefs, ["-a", &device.arg()])
}

fn matches(wanted: &Filesystem, found: &Content) -> bool {
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
    Error::Filesystem {
        device: wanted.device.clone(),
        reason: format!(
            "it holds {found}, and the config asks for {}; allow it to be erased by wipeFilesystem, or name another device",
            described(wanted)
        ),
    }
}

/// What the config wants, for people: `ext4 with label "data" and UUID "…"`.
fn described(wanted: &Filesystem) -> String {
    let mut with = Vec::new();
    match wanted.label.as_deref() {
        Some("") => with.push("without a label".to_owned()),
        Some(label) => with.push(format!("with label {label:?}")),
        None => {}
    }
    with.extend(wanted.uuid.iter().map(|uuid| format!("with UUID {uuid:?}")));
    match wanted.format.as_deref().unwrap_or_default() {
        "none" => "no file system".to_owned(),
        format if with.is_empty() => format.to_owned(),
        format => format!("{format} {}", with.join(" and ")),
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
