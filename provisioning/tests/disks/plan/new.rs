//! Partitions that are new.

use super::{Case, InUse, MIB, check, disk, layout, planned};
use acl_provision::stage::disks::partitions::layout::Layout;

const EMPTY: &[Case] = &[
    ("", "", " | "),
    ("", r#"{}"#, r#"1 1..end "" linux a1 0 | 1 created"#),
    (
        "",
        r#"{"number": 1}"#,
        r#"1 1..end "" linux a1 0 | 1 created"#,
    ),
    (
        "",
        r#"{"number": 1, "startMiB": 0, "sizeMiB": 0}"#,
        r#"1 1..end "" linux a1 0 | 1 created"#,
    ),
    (
        "",
        r#"{"number": 1, "sizeMiB": 100, "label": "a"}"#,
        r#"1 1..101 "a" linux a1 0 | 1 created"#,
    ),
    (
        "",
        r#"{"number": 1, "startMiB": 8, "sizeMiB": 8}"#,
        r#"1 8..16 "" linux a1 0 | 1 created"#,
    ),
    (
        "",
        r#"{"number": 1, "startMiB": 8}"#,
        r#"1 8..end "" linux a1 0 | 1 created"#,
    ),
    (
        "",
        r#"{"number": 128, "sizeMiB": 8}"#,
        r#"128 1..9 "" linux a1 0 | 128 created"#,
    ),
    (
        "",
        r#"{"number": 2, "sizeMiB": 8}, {"number": 1, "sizeMiB": 8}"#,
        r#"1 9..17 "" linux a2 0, 2 1..9 "" linux a1 0 | 2 created, 1 created"#,
    ),
    (
        "",
        r#"{"label": "z"}, {"number": 1, "sizeMiB": 8}, {"number": 3, "sizeMiB": 8}"#,
        r#"1 1..9 "" linux a2 0, 2 17..end "z" linux a1 0, 3 9..17 "" linux a3 0 | 1 created, 3 created, 2 created"#,
    ),
    (
        "",
        r#"{"label": "a", "sizeMiB": 8}, {"label": "b", "sizeMiB": 8}"#,
        r#"1 1..9 "a" linux a1 0, 2 9..17 "b" linux a2 0 | 1 created, 2 created"#,
    ),
    (
        "",
        r#"{"number": 1, "sizeMiB": 8, "typeGuid": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "guid": "77777777-7777-7777-7777-777777777777"}"#,
        r#"1 1..9 "" esp 77 0 | 1 created"#,
    ),
    (
        "",
        r#"{"number": 1, "sizeMiB": 8, "typeGuid": "", "guid": ""}"#,
        r#"1 1..9 "" linux a1 0 | 1 created"#,
    ),
    (
        "",
        r#"{"number": 4, "shouldExist": false}"#,
        " | 4 is not there",
    ),
    (
        "",
        r#"{"number": 4, "shouldExist": false, "wipePartitionEntry": true}"#,
        " | 4 is not there",
    ),
    (
        "",
        r#"{"number": 1, "sizeMiB": 8, "resize": true}"#,
        r#"1 1..9 "" linux a1 0 | 1 created"#,
    ),
];

#[test]
fn partitions_of_an_empty_disk() {
    check(1024, 512, EMPTY);
}

#[test]
fn a_table_that_is_wiped() {
    // The caller gives the layout of a blank disk.
    for (wanted, expected) in [
        ("", "wiped;  | "),
        (
            r#"{"number": 1, "sizeMiB": 5}"#,
            r#"wiped; 1 1..6 "" linux a1 0 | 1 created"#,
        ),
    ] {
        let found = planned(
            &disk(wanted, true),
            &layout(1024, 512, ""),
            &InUse::default(),
        );
        assert_eq!(found, expected);
    }
}

#[test]
fn sectors_of_4096_bytes() {
    check(
        1024,
        4096,
        &[
            (
                "",
                r#"{"number": 1}"#,
                r#"1 1..end "" linux a1 0 | 1 created"#,
            ),
            (
                "",
                r#"{"number": 1, "sizeMiB": 10}"#,
                r#"1 1..11 "" linux a1 0 | 1 created"#,
            ),
            (
                "1 6s..10",
                r#"{"number": 2}"#,
                r#"1 6s..10 "" linux e1 1, 2 10..end "" linux a1 0 | 2 created"#,
            ),
            (
                "1 1..257s",
                r#"{"number": 2}"#,
                r#"1 1..257s "" linux e1 1, 2 2..end "" linux a1 0 | 2 created"#,
            ),
        ],
    );
    let there = layout(1024, 4096, "");
    assert_eq!(there.usable, 6 * 4096..(1024 * MIB - 5 * 4096));
    let there = layout(1024, 512, "");
    assert_eq!(there.usable, 34 * 512..(1024 * MIB - 33 * 512));
}

#[test]
fn disks_that_are_too_small() {
    for (size, sector) in [(0, 512), (67 * 512, 512), (11 * 4096, 4096), (1000, 0)] {
        let error = Layout::blank("/dev/vdb", size, sector).unwrap_err();
        let expected =
            format!("the disk /dev/vdb: its {size} bytes are too few for a partition table");
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(
        Layout::blank("/dev/vdb", 68 * 512, 512).unwrap().usable,
        34 * 512..35 * 512
    );
}
