//! Partitions that are there, and are what is wanted, or may become it.

use super::{Case, InUse, check, disk, layout, planned};

#[test]
fn partitions_that_are_there() {
    let there = "1 1..101 a, 2 101..end b";
    let same = r#"1 1..101 "a" linux e1 1, 2 101..end "b" linux e2 2"#;
    for (wanted, changes) in [
        (r#"{"number": 1}"#, "1 matches"),
        (r#"{"number": 1, "label": "a"}"#, "1 matches"),
        (r#"{"number": 1, "startMiB": 1}"#, "1 matches"),
        (r#"{"number": 1, "startMiB": 0}"#, "1 matches"),
        (r#"{"number": 1, "sizeMiB": 100}"#, "1 matches"),
        (
            r#"{"number": 1, "sizeMiB": 100, "resize": true}"#,
            "1 matches",
        ),
        (
            r#"{"number": 1, "sizeMiB": 100, "wipePartitionEntry": true}"#,
            "1 matches",
        ),
        (r#"{"number": 1, "wipePartitionEntry": true}"#, "1 matches"),
        (
            r#"{"number": 2, "startMiB": 101, "sizeMiB": 0}"#,
            "2 matches",
        ),
        (r#"{"number": 2, "startMiB": 0, "sizeMiB": 0}"#, "2 matches"),
        (
            r#"{"number": 1, "typeGuid": "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}"#,
            "1 matches",
        ),
        (
            r#"{"number": 1, "guid": "E1E1E1E1-e1e1-e1e1-e1e1-e1e1e1e1e1e1"}"#,
            "1 matches",
        ),
        (r#"{"number": 1, "typeGuid": "", "guid": ""}"#, "1 matches"),
        (r#"{"label": "b"}"#, "2 matches"),
        (r#"{"label": "b", "sizeMiB": 0}"#, "2 matches"),
        (r#"{"label": "b"}, {"label": "a"}"#, "2 matches, 1 matches"),
        (r#"{"label": "b"}, {"number": 1}"#, "1 matches, 2 matches"),
        (
            r#"{"number": 7, "shouldExist": false}, {"number": 1}"#,
            "7 is not there, 1 matches",
        ),
    ] {
        let found = planned(
            &disk(wanted, false),
            &layout(1024, 512, there),
            &InUse::default(),
        );
        assert_eq!(found, format!("{same} | {changes}"), "{wanted}");
    }
}

/// What follows "partition 1 of /dev/vdb: it is not what the config asks for: " and comes before what to do.
#[test]
fn partitions_that_are_there_and_are_others() {
    for (wanted, differences) in [
        (
            r#"{"number": 1, "label": "x"}"#,
            r#"its label is "a", and the config asks for "x""#,
        ),
        (
            r#"{"number": 1, "label": ""}"#,
            r#"its label is "a", and the config asks for """#,
        ),
        (
            r#"{"number": 1, "startMiB": 2}"#,
            "it begins at 1 MiB, and the config asks for 2 MiB",
        ),
        (
            r#"{"number": 1, "sizeMiB": 99}"#,
            "its size is 100 MiB, and the config asks for 99 MiB",
        ),
        (
            r#"{"number": 1, "sizeMiB": 0}"#,
            "its size is 100 MiB, and the config asks for 199 MiB",
        ),
        (
            r#"{"number": 1, "typeGuid": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"}"#,
            "its type is 0fc63daf-8483-4772-8e79-3d69d8477de4, and the config asks for c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        ),
        (
            r#"{"number": 1, "guid": "77777777-7777-7777-7777-777777777777"}"#,
            "its GUID is e1e1e1e1-e1e1-e1e1-e1e1-e1e1e1e1e1e1, and the config asks for 77777777-7777-7777-7777-777777777777",
        ),
        (
            r#"{"number": 1, "startMiB": 2, "sizeMiB": 99, "label": "x", "resize": true}"#,
            r#"it begins at 1 MiB, and the config asks for 2 MiB; its label is "a", and the config asks for "x"; its size is 100 MiB, and the config asks for 99 MiB"#,
        ),
        (
            r#"{"number": 1, "sizeMiB": 150, "label": "x", "resize": true}"#,
            r#"its label is "a", and the config asks for "x"; its size is 100 MiB, and the config asks for 150 MiB"#,
        ),
        (
            r#"{"label": "a", "sizeMiB": 99}"#,
            "its size is 100 MiB, and the config asks for 99 MiB",
        ),
    ] {
        let there = layout(1024, 512, "1 1..101 a, 2 200..end b");
        let found = planned(&disk(wanted, false), &there, &InUse::default());
        let expected = format!(
            "partition 1 of /dev/vdb: it is not what the config asks for: {differences}; allow it to be replaced by wipePartitionEntry"
        );
        assert_eq!(found, expected, "{wanted}");
    }
}

const CHANGED: &[Case] = &[
    // Resized, growing and shrinking: all but the size stays.
    (
        "1 1..101 a, 2 300..400 b",
        r#"{"number": 1, "sizeMiB": 200, "resize": true}"#,
        r#"1 1..201 "a" linux e1 1, 2 300..400 "b" linux e2 2 | 1 resized"#,
    ),
    (
        "1 1..101 a, 2 300..400 b",
        r#"{"number": 1, "sizeMiB": 10, "resize": true}"#,
        r#"1 1..11 "a" linux e1 1, 2 300..400 "b" linux e2 2 | 1 resized"#,
    ),
    (
        "1 1..101 a, 2 101..200 b",
        r#"{"number": 2, "sizeMiB": 0, "resize": true, "label": "b"}"#,
        r#"1 1..101 "a" linux e1 1, 2 101..end "b" linux e2 2 | 2 resized"#,
    ),
    (
        "1 1..101 a, 2 101..200 b",
        r#"{"label": "b", "sizeMiB": 0, "resize": true}"#,
        r#"1 1..101 "a" linux e1 1, 2 101..end "b" linux e2 2 | 2 resized"#,
    ),
    (
        "1 1..101 a, 2 101..200 b",
        r#"{"number": 1, "sizeMiB": 300, "resize": true}, {"number": 2, "shouldExist": false, "wipePartitionEntry": true}"#,
        r#"1 1..301 "a" linux e1 1 | 1 resized, 2 deleted"#,
    ),
    // From a start that is not aligned.
    (
        "1 34s..101 a",
        r#"{"number": 1, "sizeMiB": 200, "resize": true}"#,
        r#"1 34s..409634s "a" linux e1 1 | 1 resized"#,
    ),
    // Deleted.
    (
        "1 1..101 a, 2 101..200 b",
        r#"{"number": 2, "shouldExist": false, "wipePartitionEntry": true}"#,
        r#"1 1..101 "a" linux e1 1 | 2 deleted"#,
    ),
    // Replaced: nothing of the old one is kept.
    (
        "1 1..101 a",
        r#"{"number": 1, "label": "x", "wipePartitionEntry": true}"#,
        r#"1 1..end "x" linux a1 0 | 1 replaced"#,
    ),
    (
        "1 1..101 a",
        r#"{"number": 1, "sizeMiB": 50, "wipePartitionEntry": true}"#,
        r#"1 1..51 "" linux a1 0 | 1 replaced"#,
    ),
    (
        "1 1..101 a",
        r#"{"number": 1, "sizeMiB": 50, "wipePartitionEntry": true, "resize": true}"#,
        r#"1 1..51 "" linux a1 0 | 1 replaced"#,
    ),
    (
        "1 1..101 a, 2 101..200 b",
        r#"{"number": 1, "startMiB": 500, "sizeMiB": 50, "wipePartitionEntry": true}"#,
        r#"1 500..550 "" linux a1 0, 2 101..200 "b" linux e2 2 | 1 replaced"#,
    ),
    (
        "1 1..101 a, 2 101..200 b",
        r#"{"label": "a", "startMiB": 500, "sizeMiB": 50, "wipePartitionEntry": true}"#,
        r#"1 500..550 "a" linux a1 0, 2 101..200 "b" linux e2 2 | 1 replaced"#,
    ),
    // Two that change places.
    (
        "1 1..101 a, 2 101..201 b",
        r#"{"number": 1, "startMiB": 101, "sizeMiB": 100, "wipePartitionEntry": true}, {"number": 2, "startMiB": 1, "sizeMiB": 100, "wipePartitionEntry": true}"#,
        r#"1 101..201 "" linux a1 0, 2 1..101 "" linux a2 0 | 1 replaced, 2 replaced"#,
    ),
    // A number that becomes free is the next one.
    (
        "1 1..101 a, 2 101..201 b",
        r#"{"number": 1, "shouldExist": false, "wipePartitionEntry": true}, {"number": 5, "sizeMiB": 50}"#,
        r#"2 101..201 "b" linux e2 2, 5 201..251 "" linux a2 0 | 1 deleted, 5 created"#,
    ),
    (
        "1 1..101 a",
        r#"{"label": "n", "sizeMiB": 50}"#,
        r#"1 1..101 "a" linux e1 1, 2 101..151 "n" linux a1 0 | 2 created"#,
    ),
    (
        "1 1..101 a",
        r#"{"sizeMiB": 50}"#,
        r#"1 1..101 "a" linux e1 1, 2 101..151 "" linux a1 0 | 2 created"#,
    ),
];

#[test]
fn partitions_that_may_change() {
    check(1024, 512, CHANGED);
}

/// `cases/provisioning/4-size0-beside-removal` and `8-size0-first-partition`: 0 is the largest room after the removals.
#[test]
fn all_the_room_that_removals_leave() {
    let removed = |number: u32| {
        format!(r#"{{"number": {number}, "shouldExist": false, "wipePartitionEntry": true}}"#)
    };
    let four = format!(
        r#"{{"number": 4, "sizeMiB": 0, "resize": true}}, {}"#,
        removed(5)
    );
    let first = format!(
        r#"{{"number": 1, "startMiB": 0, "sizeMiB": 0}}, {}"#,
        removed(2)
    );
    for (there, wanted, expected) in [
        (
            "1 1..9, 4 9..101 d, 5 101..end e",
            &four,
            r#"1 1..9 "" linux e1 1, 4 9..end "d" linux e4 4 | 4 resized, 5 deleted"#,
        ),
        (
            "4 1..101 d",
            &four,
            r#"4 1..end "d" linux e4 4 | 4 resized, 5 is not there"#,
        ),
        (
            "2 1..end e",
            &first,
            r#"1 1..end "" linux a1 0 | 1 created, 2 deleted"#,
        ),
        (
            "2 1..500 e, 3 500..600 f",
            &first,
            r#"1 1..500 "" linux a1 0, 3 500..600 "f" linux e3 3 | 1 created, 2 deleted"#,
        ),
        (
            "",
            &first,
            r#"1 1..end "" linux a1 0 | 1 created, 2 is not there"#,
        ),
    ] {
        let found = planned(
            &disk(wanted, false),
            &layout(1024, 512, there),
            &InUse::default(),
        );
        assert_eq!(found, expected, "{there}: {wanted}");
        let config = format!(
            r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"disks": [{{"device": "/dev/vdb", "partitions": [{wanted}]}}]}}}}"#
        );
        let parsed = acl_provision::config::parse(config.as_bytes());
        assert!(parsed.report.entries.is_empty(), "{:?}", parsed.report);
    }
}
