//! Filesystems.

use acl_host::guid::Guid;

use super::{all, each, path, place, said, twice};
use crate::config::report::Findings;
use crate::config::{Path, spec};

/// The formats, and how many bytes of label each can hold.
const FORMATS: &[(&str, usize)] = &[
    ("ext4", 16),
    ("btrfs", 255),
    ("xfs", 12),
    ("vfat", 11),
    ("swap", 15),
    ("none", 0),
];

pub(super) fn check(storage: &spec::Storage, at: &Path, findings: &mut Findings) {
    for (at, filesystem) in each(storage.filesystems.as_ref(), at) {
        path::check(&filesystem.device, &at.field("device"), findings);
        if let Some(path) = said(filesystem.path.as_ref()) {
            path::check(path, &at.field("path"), findings);
        }
        match said(filesystem.format.as_ref()) {
            Some(format) => check_format(filesystem, format, &at, findings),
            None => check_without_format(filesystem, &at, findings),
        }
    }
    let filesystems = || each(storage.filesystems.as_ref(), at);
    let devices = filesystems().map(|(at, filesystem)| (at, &filesystem.device));
    twice::check("the device", devices, findings);
    let paths = filesystems().filter_map(|(at, filesystem)| {
        Some((
            at.field("path"),
            path::clean(said(filesystem.path.as_ref())?),
        ))
    });
    twice::check("the mount point", paths, findings);
}

fn check_format(filesystem: &spec::Filesystem, format: &str, at: &Path, findings: &mut Findings) {
    let Some((_, most)) = FORMATS.iter().find(|(name, _)| *name == format) else {
        let message =
            format!("the format {format:?} is not known; use ext4, xfs, btrfs, vfat, swap or none");
        return findings.error(at.field("format"), message);
    };
    let label = said(filesystem.label.as_ref()).unwrap_or_default();
    if label.len() > *most {
        findings.error(
            at.field("label"),
            format!("a label of {format} has at most {most} bytes"),
        );
    }
    match said(filesystem.path.as_ref()) {
        Some(_) if matches!(format, "swap" | "none") => findings.warning(
            at.field("path"),
            format!("{format} is not mounted; leave the path out"),
        ),
        Some(path) if !path::is_right(path) => {}
        Some(path) => place::check_mount(path, &at.field("path"), findings),
        None => {}
    }
    if let Some(uuid) = said(filesystem.uuid.as_ref()) {
        check_uuid(uuid, format, &at.field("uuid"), findings);
    }
}

fn check_uuid(uuid: &str, format: &str, at: &Path, findings: &mut Findings) {
    if format == "vfat" {
        let digits = uuid.replacen('-', "", 1);
        if digits.len() != 8 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            findings.error(
                at.clone(),
                "vfat has no UUID but a volume ID of 8 hexadecimal digits, such as 1234-ABCD",
            );
        }
    } else if uuid.parse::<Guid>().is_err() {
        findings.error(
            at.clone(),
            "not a UUID; its form is 01234567-89ab-cdef-edcb-a98765432101",
        );
    }
}

fn check_without_format(filesystem: &spec::Filesystem, at: &Path, findings: &mut Findings) {
    let texts = [&filesystem.path, &filesystem.label, &filesystem.uuid];
    let described = texts.into_iter().any(|text| said(text.as_ref()).is_some())
        || !all(filesystem.options.as_ref()).is_empty()
        || !all(filesystem.mount_options.as_ref()).is_empty()
        || filesystem.wipe_filesystem == Some(true);
    if described {
        let message = "a filesystem with a path, label, uuid, options or wipeFilesystem has a format; give it";
        findings.error(at.field("format"), message);
    }
}
