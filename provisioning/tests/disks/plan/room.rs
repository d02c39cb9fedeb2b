//! Where partitions find room, and where not.

use super::{Case, InUse, check, disk, layout, planned};

const ROOM: &[Case] = &[
    // The largest room, not the first; the first of equals.
    (
        "1 10..20, 2 500..600",
        r#"{"number": 3, "sizeMiB": 5}"#,
        r#"1 10..20 "" linux e1 1, 2 500..600 "" linux e2 2, 3 20..25 "" linux a1 0 | 3 created"#,
    ),
    (
        "1 1..101, 2 201..301, 3 401..end",
        r#"{"number": 4}"#,
        r#"1 1..101 "" linux e1 1, 2 201..301 "" linux e2 2, 3 401..end "" linux e3 3, 4 101..201 "" linux a1 0 | 4 created"#,
    ),
    // Aligned, behind one that is not.
    (
        "1 1..4097s",
        r#"{"number": 2}"#,
        r#"1 1..4097s "" linux e1 1, 2 3..end "" linux a1 0 | 2 created"#,
    ),
    // A gap that is given by its place, and fits to the byte.
    (
        "1 1..10, 2 20..end",
        r#"{"number": 3, "startMiB": 10, "sizeMiB": 10}"#,
        r#"1 1..10 "" linux e1 1, 2 20..end "" linux e2 2, 3 10..20 "" linux a1 0 | 3 created"#,
    ),
    (
        "",
        r#"{"number": 1, "sizeMiB": 1022}"#,
        r#"1 1..1023 "" linux a1 0 | 1 created"#,
    ),
];

#[test]
fn room() {
    check(1024, 512, ROOM);
}

/// What is there, what is wanted, which partition has no room, and why.
const NO_ROOM: &[(&str, &str, u32, &str)] = &[
    (
        "1 1..10, 2 20..end",
        r#"{"number": 3, "startMiB": 10, "sizeMiB": 11}"#,
        3,
        "10 MiB to 21 MiB is not free: partition 2 lies there",
    ),
    (
        "1 1..10, 2 20..end",
        r#"{"number": 3, "startMiB": 9, "sizeMiB": 2}"#,
        3,
        "9 MiB to 11 MiB is not free: partition 1 lies there",
    ),
    (
        "1 5..10",
        r#"{"number": 3, "startMiB": 4, "sizeMiB": 20}"#,
        3,
        "4 MiB to 24 MiB is not free: partition 1 lies there",
    ),
    (
        "",
        r#"{"number": 1, "startMiB": 1, "sizeMiB": 2}, {"number": 2, "startMiB": 2, "sizeMiB": 2}"#,
        2,
        "2 MiB to 4 MiB is not free: partition 1 lies there",
    ),
    (
        "",
        r#"{"number": 1, "sizeMiB": 1023}"#,
        1,
        "1 MiB to 1024 MiB is not on the disk, whose last usable byte is before 1073724928 bytes",
    ),
    (
        "",
        r#"{"number": 1, "startMiB": 1, "sizeMiB": 100000}"#,
        1,
        "1 MiB to 100001 MiB is not on the disk, whose last usable byte is before 1073724928 bytes",
    ),
    (
        "",
        r#"{"number": 1, "startMiB": 2000, "sizeMiB": 1}"#,
        1,
        "2000 MiB to 2001 MiB is not on the disk, whose last usable byte is before 1073724928 bytes",
    ),
    (
        "",
        r#"{"number": 1, "startMiB": 1, "sizeMiB": 17592186044415}"#,
        1,
        "it ends beyond any disk",
    ),
    (
        "1 1..600",
        r#"{"number": 2, "startMiB": 2000}"#,
        2,
        "it is to take the largest free space, and 2000 MiB does not lie in it; give it a size, or another start",
    ),
    (
        "1 100..1000",
        r#"{"number": 2, "startMiB": 1001}"#,
        2,
        "it is to take the largest free space, and 1001 MiB does not lie in it; give it a size, or another start",
    ),
    (
        "1 34s..end",
        r#"{"number": 2}"#,
        2,
        "the disk has no free space",
    ),
    (
        "1 1..end",
        r#"{"number": 2}"#,
        2,
        "it is to take the largest free space, and 1 MiB does not lie in it; give it a size, or another start",
    ),
    (
        "1 1..101 a, 2 101..200 b",
        r#"{"number": 1, "sizeMiB": 101, "resize": true}"#,
        1,
        "1 MiB to 102 MiB is not free: partition 2 lies there",
    ),
    (
        "1 1..101 a",
        r#"{"number": 1, "sizeMiB": 2000, "resize": true}"#,
        1,
        "1 MiB to 2001 MiB is not on the disk, whose last usable byte is before 1073724928 bytes",
    ),
];

#[test]
fn no_room() {
    for (there, wanted, number, expected) in NO_ROOM {
        let found = planned(
            &disk(wanted, false),
            &layout(1024, 512, there),
            &InUse::default(),
        );
        assert_eq!(
            found,
            format!("partition {number} of /dev/vdb: {expected}"),
            "{wanted}"
        );
    }
}

#[test]
fn a_full_table() {
    let mut there = layout(1024, 512, "");
    let one = layout(1024, 512, "1 1..2 x").partitions[&1].clone();
    for index in 1..=128 {
        let start = u64::from(index) * super::MIB;
        there.partitions.insert(
            index,
            super::Partition {
                index,
                start,
                label: String::new(),
                ..one.clone()
            },
        );
    }
    let found = planned(&disk(r#"{"label": "n"}"#, false), &there, &InUse::default());
    assert_eq!(
        found,
        r#"partition 0 of /dev/vdb: (label "n") the partition table is full"#
    );
}
