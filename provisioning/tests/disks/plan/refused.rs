//! Configs that are refused, and changes of what is in use.

use std::collections::BTreeMap;

use super::{InUse, disk, layout, planned};

const REFUSED: &[(&str, &str)] = &[
    (
        r#"{"number": 1, "shouldExist": false}"#,
        "partition 1 of /dev/vdb: it is there and should not be; allow it to be deleted by wipePartitionEntry",
    ),
    (
        r#"{"shouldExist": false}"#,
        "partition 0 of /dev/vdb: shouldExist is false, which needs a number",
    ),
    (
        r#"{"number": 2}, {"number": 2}"#,
        "partition 2 of /dev/vdb: the config names it twice",
    ),
    (
        r#"{"label": "n"}, {"number": 7}, {"label": "n"}"#,
        r#"partition 0 of /dev/vdb: (label "n") the config names it twice"#,
    ),
    (
        r#"{"number": 129, "sizeMiB": 1}"#,
        "partition 129 of /dev/vdb: the partition table has 128 entries; give a lower number",
    ),
    (
        r#"{"number": -1}"#,
        "partition 0 of /dev/vdb: its number is not one of a partition",
    ),
    (
        r#"{"number": 4294967296}"#,
        "partition 0 of /dev/vdb: its number is not one of a partition",
    ),
    (
        r#"{"number": 1, "startMiB": -1}"#,
        "partition 1 of /dev/vdb: startMiB -1 is not a size of a disk",
    ),
    (
        r#"{"number": 1, "sizeMiB": 9223372036854775807}"#,
        "partition 1 of /dev/vdb: sizeMiB 9223372036854775807 is not a size of a disk",
    ),
    (
        r#"{"number": 1, "guid": "x"}"#,
        r#"partition 1 of /dev/vdb: guid "x" is not a GUID"#,
    ),
    (
        r#"{"number": 1, "typeGuid": "linux"}"#,
        r#"partition 1 of /dev/vdb: typeGuid "linux" is not a GUID"#,
    ),
    (
        r#"{"label": "twin"}"#,
        r#"partition 0 of /dev/vdb: (label "twin") partitions 3 and 4 both have the label "twin"; say which by number"#,
    ),
];

#[test]
fn configs_that_are_refused() {
    for (wanted, expected) in REFUSED {
        let there = layout(1024, 512, "1 1..10 a, 3 10..20 twin, 4 20..30 twin");
        let found = planned(&disk(wanted, false), &there, &InUse::default());
        assert_eq!(found, *expected, "{wanted}");
    }
    let long = format!(r#"{{"number": 1, "label": "{}"}}"#, "x".repeat(37));
    let found = planned(
        &disk(&long, false),
        &layout(1024, 512, ""),
        &InUse::default(),
    );
    assert_eq!(
        found,
        "partition 1 of /dev/vdb: its label is longer than 36 characters"
    );
}

#[test]
fn a_label_that_two_have_and_a_number_tells() {
    let there = layout(1024, 512, "3 10..20 twin, 4 20..30 twin");
    let found = planned(
        &disk(r#"{"label": "twin"}, {"number": 3}"#, false),
        &there,
        &InUse::default(),
    );
    assert_eq!(
        found,
        r#"3 10..20 "twin" linux e3 3, 4 20..30 "twin" linux e4 4 | 3 matches, 4 matches"#
    );
}

const SAME: &str = r#"1 1..101 "a" linux e1 1, 2 101..201 "b" linux e2 2"#;
const MOUNTED: &str = "partition 1 of /dev/vdb: it is in use, mounted at /, and would be changed";

/// What is wanted while partition 1 is mounted.
const WHILE_MOUNTED: &[(bool, &str, &str)] = &[
    (false, r#"{"number": 1}"#, "SAME | 1 matches"),
    (
        false,
        r#"{"number": 1, "label": "x", "wipePartitionEntry": true}"#,
        MOUNTED,
    ),
    (
        false,
        r#"{"number": 1, "sizeMiB": 50, "resize": true}"#,
        MOUNTED,
    ),
    (
        false,
        r#"{"number": 1, "shouldExist": false, "wipePartitionEntry": true}"#,
        MOUNTED,
    ),
    (
        false,
        r#"{"number": 2, "shouldExist": false, "wipePartitionEntry": true}"#,
        r#"1 1..101 "a" linux e1 1 | 2 deleted"#,
    ),
    (
        false,
        r#"{"number": 3, "sizeMiB": 1}"#,
        r#"SAME, 3 201..202 "" linux a1 0 | 3 created"#,
    ),
    (
        true,
        "",
        "the disk /dev/vdb: its table cannot be wiped: partition 1 is in use, mounted at /",
    ),
];

/// What is wanted while an array holds the disk.
const WHILE_HELD: &[(bool, &str, &str)] = &[
    (false, r#"{"number": 1}"#, "SAME | 1 matches"),
    (
        false,
        r#"{"number": 3, "sizeMiB": 1}"#,
        "the disk /dev/vdb: it is in use, held by md0, and its partitions would change",
    ),
];

#[test]
fn partitions_in_use() {
    let mounted = InUse {
        disk: None,
        partitions: BTreeMap::from([(1, "mounted at /".to_owned())]),
    };
    let held = InUse {
        disk: Some("held by md0".to_owned()),
        partitions: BTreeMap::new(),
    };
    for (in_use, cases) in [(mounted, WHILE_MOUNTED), (held, WHILE_HELD)] {
        for (wipe, wanted, expected) in cases {
            let there = layout(1024, 512, "1 1..101 a, 2 101..201 b");
            let found = planned(&disk(wanted, *wipe), &there, &in_use);
            assert_eq!(found, expected.replace("SAME", SAME), "{wanted}");
        }
    }
}
