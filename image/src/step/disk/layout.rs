//! Which partitions a disk has, in which order and where. Pure, but for looking up the lengths of the files.

use std::path::Path;

use acl_host::gpt::kind;
use acl_host::guid::Guid;
use acl_host::verity::RootHash;

use super::{Content, MIB, Sizes};
use crate::Error;

/// Label of a partition that an update may fill (systemd-sysupdate's `_empty`).
const EMPTY: &str = "_empty";

/// `GPT_FLAG_READ_ONLY` of UAPI.2.
const READ_ONLY: u64 = 1 << 60;

/// One partition to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partition<'a> {
    /// What people call it; also where `label` is `_empty`.
    name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Guid,
    pub(super) guid: Guid,
    pub(super) size: u64,
    pub(super) attributes: u64,
    pub(super) content: Option<&'a Path>,
}

/// The partitions in the order of the disk. ROOT comes behind them at the first boot, so that it can grow.
pub(super) fn partitions<'a>(sizes: Sizes, content: Content<'a>) -> Vec<Partition<'a>> {
    let root = &content.root_hash;
    let new = |name, label, kind, size, attributes| Partition {
        name,
        label,
        kind,
        guid: derived(root, name),
        size,
        attributes,
        content: None,
    };
    let slot = |names: [&'static str; 3], labels: [&'static str; 3]| {
        [
            new(names[0], labels[0], kind::USR, sizes.usr, READ_ONLY),
            new(
                names[1],
                labels[1],
                kind::USR_VERITY,
                sizes.verity,
                READ_ONLY,
            ),
            new(
                names[2],
                labels[2],
                kind::USR_VERITY_SIG,
                sizes.signature,
                READ_ONLY,
            ),
        ]
    };
    const A: [&str; 3] = ["USR-A", "USR-A-VERITY", "USR-A-SIG"];
    const B: [&str; 3] = ["USR-B", "USR-B-VERITY", "USR-B-SIG"];
    let mut a = slot(A, A);
    a[0].guid = root.usr_guid();
    a[1].guid = root.verity_guid();
    a[0].content = Some(content.usr);
    a[1].content = Some(content.verity);
    a[2].content = Some(content.signature);
    let esp = Partition {
        content: Some(content.esp),
        ..new("ESP", "ESP", kind::ESP, sizes.esp, 0)
    };
    [esp]
        .into_iter()
        .chain(a)
        .chain(slot(B, [EMPTY; 3]))
        .collect()
}

/// Refuses sizes that are no whole MiB, that of ROOT included, and files that do not fit: those of a slot must leave it a
/// quarter to grow.
///
/// # Errors
/// [`Error::PartitionSize`], [`Error::PartitionTooSmall`], [`Error::ReadInput`].
pub(super) fn check(partitions: &[Partition<'_>], root: u64) -> Result<(), Error> {
    whole("ROOT", root)?;
    for partition in partitions {
        let Partition { name, size, .. } = *partition;
        whole(name, size)?;
        let Some(path) = partition.content else {
            continue;
        };
        let len = match std::fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(source) => {
                return Err(Error::ReadInput {
                    path: path.into(),
                    source,
                });
            }
        };
        let limit = if partition.kind == kind::ESP {
            size
        } else {
            size - size / 4
        };
        if len > limit {
            return Err(Error::PartitionTooSmall {
                partition: name,
                path: path.into(),
                len,
                size,
            });
        }
    }
    Ok(())
}

fn whole(partition: &'static str, size: u64) -> Result<(), Error> {
    match size > 0 && size.is_multiple_of(MIB) {
        true => Ok(()),
        false => Err(Error::PartitionSize { partition, size }),
    }
}

/// Each partition with the byte it starts at; the first MiB is the table's.
pub(super) fn starts<'p, 'a>(
    partitions: &'p [Partition<'a>],
) -> impl Iterator<Item = (u64, &'p Partition<'a>)> {
    partitions.iter().scan(MIB, |next, partition| {
        let start = *next;
        *next += partition.size;
        Some((start, partition))
    })
}

/// Bytes of the whole disk: the partitions, room for ROOT, a MiB before and one behind for the two copies of the table.
pub(super) fn disk_size(partitions: &[Partition<'_>], root: u64) -> u64 {
    2 * MIB
        + root
        + partitions
            .iter()
            .map(|partition| partition.size)
            .sum::<u64>()
}

/// A GUID (of the form of version 4) that follows from the release and a name.
pub(super) fn derived(root: &RootHash, name: &str) -> Guid {
    let digest = ring::digest::digest(
        &ring::digest::SHA256,
        format!("acl disk {root} {name}").as_bytes(),
    );
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Guid(bytes)
}
