//! The places that partitions get are those that Ignition gets from sgdisk.

use std::path::Path;

use acl_host::Tools;
use acl_host::tool::Tool;
use acl_provision::config::spec;
use acl_provision::stage::disks::partitions;

use super::programs::{image, real};
use super::tables::listed;

/// A partition as both are told: number, start and size in MiB, 0 for the largest room.
type Place = (i64, i64, i64);

/// Number, first and last sector of every partition that there would be, as `sgdisk --print` lists them.
fn by_sgdisk(path: &Path, places: &[Place]) -> Vec<[u64; 3]> {
    // Without --pretend it sleeps for seconds.
    let mut command = Tools::host().command(Tool::Sgdisk).arg("--pretend");
    for (number, start, size) in places {
        let (start, size) = (start * 2048, size * 2048);
        command = command.arg(format!("--new={number}:{start}:+{size}"));
    }
    let output = command.arg("--print").arg(path).run().unwrap();
    let numbers = |line: &str| {
        let words: Vec<u64> = line
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        <[u64; 3]>::try_from(words.get(..3)?).ok()
    };
    String::from_utf8(output)
        .unwrap()
        .lines()
        .filter_map(numbers)
        .collect()
}

fn by_us(root: &Path, name: &str, places: &[Place]) {
    let partition = |(number, start, size): &Place| spec::Partition {
        number: Some(*number),
        start_mib: Some(*start),
        size_mib: Some(*size),
        ..spec::Partition::default()
    };
    let disk = spec::Disk {
        partitions: Some(places.iter().map(partition).collect()),
        ..spec::Disk::new(format!("/dev/{name}"))
    };
    partitions::apply(&[disk], &real(root)).unwrap();
}

#[test]
fn the_same_places_as_sgdisk() {
    let cases: [(&[Place], &[Place]); 9] = [
        (&[], &[(1, 0, 0)]),
        (&[], &[(1, 0, 10), (2, 0, 20), (3, 0, 0)]),
        (&[], &[(1, 30, 10), (2, 0, 5), (3, 0, 0)]),
        (&[], &[(2, 20, 0), (1, 0, 0)]),
        (&[(1, 10, 10)], &[(2, 0, 5), (3, 1, 5)]),
        (&[(1, 1, 20), (2, 30, 10)], &[(3, 0, 0), (4, 21, 9)]),
        (
            &[(1, 10, 10), (2, 30, 10), (3, 50, 10)],
            &[(7, 0, 2), (0, 0, 2), (0, 0, 2)],
        ),
        (&[(3, 1, 10), (1, 40, 10)], &[(0, 0, 4), (0, 0, 0)]),
        (&[(1, 1, 62)], &[(2, 0, 0)]),
    ];
    let root = tempfile::tempdir().unwrap();
    for (n, (there, wanted)) in cases.iter().enumerate() {
        let name = format!("case{n}");
        let path = image(root.path(), &name, 64);
        by_us(root.path(), &name, there);
        let theirs = by_sgdisk(&path, wanted);
        by_us(root.path(), &name, wanted);
        let partitions = listed(&path).into_iter();
        let ours: Vec<[u64; 3]> = partitions
            .map(|p| [p.number, p.start, p.start + p.size - 1])
            .collect();
        assert_eq!(ours, theirs, "case {n}");
        assert_eq!(ours.len(), there.len() + wanted.len());
    }
}
