//! Disks and their partitions.

use acl_host::guid::Guid;

use super::{all, each, path, said, twice};
use crate::config::report::Findings;
use crate::config::{Path, spec};

/// The bytes of a partition's name that Ignition takes (GPT has room for 36 characters), and the numbers that every tool
/// can handle.
const MOST_LABEL_BYTES: usize = 36;
const NUMBERS: std::ops::RangeInclusive<i64> = 0..=128;

pub(super) fn check(storage: &spec::Storage, at: &Path, findings: &mut Findings) {
    for (at, disk) in each(storage.disks.as_ref(), at) {
        path::check(&disk.device, &at.field("device"), findings);
        let at = at.field("partitions");
        for (at, partition) in each(disk.partitions.as_ref(), &at) {
            check_partition(partition, &at, findings);
        }
        check_collisions(disk, &at, findings);
        check_overlaps(disk, &at, findings);
        check_removal(disk, &at, findings);
    }
    let devices = each(storage.disks.as_ref(), at).map(|(at, disk)| (at, &disk.device));
    twice::check("the device", devices, findings);
}

fn check_partition(partition: &spec::Partition, at: &Path, findings: &mut Findings) {
    let number = partition.number.unwrap_or_default();
    if !NUMBERS.contains(&number) {
        findings.error(
            at.field("number"),
            "a partition's number is 1 to 128; 0 or none is the next free one",
        );
    }
    match said(partition.label.as_ref()) {
        Some(label) if label.len() > MOST_LABEL_BYTES => {
            findings.error(
                at.field("label"),
                "a partition's label has at most 36 bytes",
            );
        }
        Some(label) if label.contains(':') => {
            findings.error(
                at.field("label"),
                "a partition's label has no colon; Ignition refuses it, because sgdisk would cut it there",
            );
        }
        None if number == 0 => {
            findings.error(
                at.clone(),
                "a partition has a number from 1 on or a label; give one of them",
            );
        }
        _ => {}
    }
    for (name, guid) in [
        ("guid", &partition.guid),
        ("typeGuid", &partition.type_guid),
    ] {
        if said(guid.as_ref()).is_some_and(|guid| guid.parse::<Guid>().is_err()) {
            let message = "not a GUID; its form is 01234567-89AB-CDEF-EDCB-A98765432101";
            findings.error(at.field(name), message);
        }
    }
    for (name, size) in [
        ("sizeMiB", partition.size_mib),
        ("startMiB", partition.start_mib),
    ] {
        if size.is_some_and(|size| size < 0) {
            findings.error(
                at.field(name),
                "a number of MiB is not negative; 0 is as much as there is",
            );
        }
    }
    if partition.should_exist == Some(false) && describes(partition) {
        let message =
            "a partition with shouldExist false has a number and nothing else; leave the rest out";
        findings.error(at.clone(), message);
    }
}

fn describes(partition: &spec::Partition) -> bool {
    let texts = [&partition.guid, &partition.type_guid];
    texts.into_iter().any(|text| said(text.as_ref()).is_some())
        || partition.label.is_some()
        || partition.size_mib.is_some()
        || partition.start_mib.is_some()
}

fn check_collisions(disk: &spec::Disk, at: &Path, findings: &mut Findings) {
    let partitions = || each(disk.partitions.as_ref(), at);
    let numbers = partitions().filter_map(|(at, partition)| {
        let number = partition.number.filter(|number| *number != 0)?;
        Some((at.field("number"), number))
    });
    twice::check("the partition number", numbers, findings);
    let labels = partitions()
        .filter_map(|(at, partition)| Some((at.field("label"), said(partition.label.as_ref())?)));
    twice::check("the partition label", labels, findings);
}

fn check_overlaps(disk: &spec::Disk, at: &Path, findings: &mut Findings) {
    let mut placed: Vec<(Path, i64, i64)> = each(disk.partitions.as_ref(), at)
        .filter_map(|(at, partition)| {
            let start = partition.start_mib.filter(|start| *start > 0)?;
            // 0 is as much as there is: at least where it begins.
            let size = partition.size_mib.filter(|size| *size >= 0)?.max(1);
            Some((at, start, start.saturating_add(size)))
        })
        .collect();
    placed.sort_by_key(|(_, start, _)| *start);
    for pair in placed.windows(2) {
        if let [(before, _, end), (at, start, _)] = pair
            && start < end
        {
            let message = format!(
                "this partition begins at {start} MiB, inside of the one at {before}, which ends at {end} MiB"
            );
            findings.error(at.field("startMiB"), message);
        }
    }
}

/// The next free number depends on which partitions go, so Ignition takes no partition without a number beside one that
/// shall not exist (`partitionsMixZeroesAndNonexistence` in config/v3_6/types/disk.go). A start or size of 0 is something
/// else: the largest room there is once all of them are gone.
fn check_removal(disk: &spec::Disk, at: &Path, findings: &mut Findings) {
    let is_removed = |partition: &spec::Partition| partition.should_exist == Some(false);
    if !all(disk.partitions.as_ref()).iter().any(is_removed) {
        return;
    }
    for (at, partition) in each(disk.partitions.as_ref(), at) {
        if partition.number.unwrap_or_default() == 0 {
            let message = "give the partition a number: another partition of this disk is removed, and which number is \
                           the next free one depends on what was there";
            findings.error(at, message);
        }
    }
}
