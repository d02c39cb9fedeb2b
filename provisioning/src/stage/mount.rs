//! The stage `mount`: the config's file systems, below the new root, while it is written to.
//!
//! Where they are mounted later is for mount units, which Butane writes into the config. Mount points that are not there
//! are made; one that leads through a symbolic link or a file is refused, so that nothing is mounted outside of the root.

mod point;

use std::path::Path;

use acl_host::Tool;

use super::disks::device::{self, Device};
use super::disks::{Done, Line, Machine};
use super::umount;
use crate::Result;
use crate::config::spec::{Config, Filesystem};

/// Mounts the file systems that have a path, the shallow paths first. If one cannot be mounted, those before it are
/// unmounted again.
///
/// # Errors
/// [`crate::Error::Device`], [`crate::Error::MountPoint`], [`crate::Error::Prepare`].
pub fn apply(config: &Config, root: &Path, machine: &Machine) -> Result<Vec<Done>> {
    let wanted = wanted(config);
    let names = wanted.iter().map(|(_, wanted)| wanted.device.as_str());
    let devices = device::wait(names, machine)?;
    let mut done = Vec::new();
    for ((path, wanted), device) in wanted.iter().zip(&devices) {
        let mounted = point::make(root, path).and_then(|point| {
            let what = format!("{} at {path}", described(wanted));
            machine.run("mount", &what, &line(wanted, device, &point))
        });
        if let Err(error) = mounted {
            // The first error is the one to tell.
            let _ = umount::apply(config, root, machine);
            return Err(error);
        }
        done.push(Done::new(*path, format!("{} mounted", wanted.device)));
    }
    Ok(done)
}

/// The file systems to mount with their paths, each after those that it may lie below.
pub(super) fn wanted(config: &Config) -> Vec<(&str, &Filesystem)> {
    let all = config
        .storage
        .iter()
        .flat_map(|storage| storage.filesystems.iter().flatten());
    let mut wanted: Vec<(&str, &Filesystem)> = all
        .filter(|wanted| !matches!(wanted.format.as_deref(), None | Some("" | "none" | "swap")))
        .filter_map(|wanted| {
            Some((
                wanted.path.as_deref().filter(|path| !path.is_empty())?,
                wanted,
            ))
        })
        .collect();
    wanted.sort_by_key(|(path, _)| Path::new(path).components().count());
    wanted
}

/// What is mounted, for people: `/dev/vdb (ext4, with options noatime,ro)`.
fn described(wanted: &Filesystem) -> String {
    let format = wanted.format.as_deref().unwrap_or_default();
    match options(wanted) {
        options if options.is_empty() => format!("{} ({format})", wanted.device),
        options => format!("{} ({format}, with options {options})", wanted.device),
    }
}

fn options(wanted: &Filesystem) -> String {
    let options = wanted.mount_options.as_deref();
    options.unwrap_or_default().join(",")
}

fn line(wanted: &Filesystem, device: &Device, point: &Path) -> Line {
    let options = options(wanted);
    let mut args = Vec::new();
    if !options.is_empty() {
        args.extend(["-o".to_owned(), options]);
    }
    args.extend(["-t".to_owned(), wanted.format.clone().unwrap_or_default()]);
    args.extend([device.arg(), point.display().to_string()]);
    Line::new(Tool::Mount, args)
}
