//! RAID arrays, as command lines: this kernel has no md.

use acl_host::error::chain;
use acl_provision::config::spec::Raid;
use acl_provision::stage::disks::raid;

use super::programs::{image, recorded};

fn apply(fields: &str) -> Result<Vec<String>, String> {
    let root = tempfile::tempdir().unwrap();
    for name in ["vdb", "vdc", "vdd"] {
        image(root.path(), name, 1);
    }
    std::os::unix::fs::symlink("vdd", root.path().join("dev/link")).unwrap();
    let (machine, recorder) = recorded(root.path(), |_| Ok(""));
    let array: Raid = serde_json::from_str(&format!(r#"{{"name": "data", {fields}}}"#)).unwrap();
    match raid::apply(&[array], &machine) {
        Ok(done) => {
            let done = done.iter().map(ToString::to_string);
            Ok(recorder.taken().into_iter().chain(done).collect())
        }
        Err(error) => {
            let lines = recorder.taken();
            assert!(
                !lines.iter().any(|line| line.starts_with("mdadm")),
                "{lines:?}"
            );
            Err(chain(&error))
        }
    }
}

#[test]
fn command_lines() {
    let create = "mdadm --create data --force --run --homehost any";
    for (fields, line, done) in [
        (
            r#""level": "raid1", "devices": ["/dev/vdb", "/dev/vdc"]"#,
            "--level raid1 --raid-devices 2 /dev/vdb /dev/vdc",
            "data: raid1 of 2 devices made",
        ),
        (
            r#""level": "raid1", "devices": ["/dev/vdb", "/dev/vdc", "/dev/link"], "spares": 1, "options": ["--metadata", "1.0"]"#,
            "--level raid1 --raid-devices 2 --spare-devices 1 --metadata 1.0 /dev/vdb /dev/vdc /dev/vdd",
            "data: raid1 of 3 devices made",
        ),
        (
            r#""level": "stripe", "devices": ["/dev/vdb"], "spares": 0"#,
            "--level stripe --raid-devices 1 /dev/vdb",
            "data: stripe of 1 devices made",
        ),
    ] {
        assert_eq!(
            apply(fields).unwrap(),
            [format!("{create} {line}"), done.to_owned()]
        );
    }
}

#[test]
fn refused() {
    for (fields, error) in [
        (
            r#""devices": ["/dev/vdb"]"#,
            "the RAID array data: it has no level",
        ),
        (
            r#""level": "", "devices": ["/dev/vdb"]"#,
            "the RAID array data: it has no level",
        ),
        (
            r#""level": "raid1""#,
            "the RAID array data: it needs more devices than spares",
        ),
        (
            r#""level": "raid1", "devices": ["/dev/vdb"], "spares": 1"#,
            "the RAID array data: it needs more devices than spares",
        ),
        (
            r#""level": "raid1", "devices": ["/dev/vdb"], "spares": 2"#,
            "the RAID array data: it needs more devices than spares",
        ),
        (
            r#""level": "raid1", "devices": ["/dev/vdb"], "spares": -1"#,
            "the RAID array data: its number of spares is negative",
        ),
        (
            r#""level": "raid1", "devices": ["/dev/vdb", "/dev/missing"]"#,
            "the device /dev/missing did not appear within 7 s; check its name in the config, and that the machine has it",
        ),
    ] {
        assert_eq!(apply(fields).unwrap_err(), error);
    }
}
