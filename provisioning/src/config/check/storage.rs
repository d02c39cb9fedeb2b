//! The section `storage`: each kind by itself, then what one kind does to another.

use std::collections::HashMap;

use super::{all, disk, filesystem, luks, node, raid};
use crate::config::report::Findings;
use crate::config::{Path, spec};

pub(super) fn check(storage: &spec::Storage, path: &Path, findings: &mut Findings) {
    disk::check(storage, &path.field("disks"), findings);
    raid::check(storage, &path.field("raid"), findings);
    luks::check(storage, &path.field("luks"), findings);
    filesystem::check(storage, &path.field("filesystems"), findings);
    node::check(storage, path, findings);
    check_whole_disks(storage, &path.field("filesystems"), findings);
}

/// A filesystem on a disk whose table is written as well: one of them does not survive.
fn check_whole_disks(storage: &spec::Storage, path: &Path, findings: &mut Findings) {
    let disks: HashMap<_, _> = all(storage.disks.as_ref())
        .iter()
        .map(|disk| (&disk.device, disk))
        .collect();
    for (path, filesystem) in super::each(storage.filesystems.as_ref(), path) {
        if let Some(disk) = disks.get(&filesystem.device) {
            if !all(disk.partitions.as_ref()).is_empty() {
                let message = "this filesystem overwrites the partitions that the config makes on the same device; \
                               name one of the partitions, such as /dev/disk/by-partlabel/LABEL";
                findings.warning(path.field("device"), message);
            } else if disk.wipe_table == Some(true) {
                let message = "the config wipes the partition table of this device, and so this filesystem's beginning";
                findings.warning(path.field("device"), message);
            }
        }
    }
}
