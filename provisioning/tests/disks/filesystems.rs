//! What is made on a device and what is kept: as command lines, and with the real programs on files.

use acl_host::Tools;
use acl_host::error::chain;
use acl_host::tool::Tool;
use acl_provision::config::spec::Filesystem;
use acl_provision::stage::disks::device::Device;
use acl_provision::stage::disks::filesystems::{self, Decision, decide};
use acl_provision::stage::disks::probe::{Content, Found, parse, probe};

use super::programs::{device, image, real};

fn wanted(fields: &str) -> Filesystem {
    let text = format!(r#"{{"device": "/dev/disk/by-label/x", {fields}}}"#);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn decided(wanted: &Filesystem, found: &Found) -> String {
    let device = Device {
        name: wanted.device.clone(),
        path: "/dev/vdb1".into(),
    };
    match decide(wanted, &device, found) {
        Ok(Decision::Reuse) => "reuse".to_owned(),
        Ok(Decision::Make(lines)) => {
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            lines.join("; ")
        }
        Err(error) => chain(&error),
    }
}

#[test]
fn command_lines() {
    let all = r#""label": "DATA", "uuid": "A1B2C3D4-0000-4000-8000-00000000ABCD", "options": ["-x", "y z"]"#;
    for (fields, expected) in [
        (r#""format": "ext4""#.to_owned(), "mkfs.ext4 -F /dev/vdb1"),
        (
            r#""format": "btrfs""#.to_owned(),
            "mkfs.btrfs --force /dev/vdb1",
        ),
        (r#""format": "xfs""#.to_owned(), "mkfs.xfs -f /dev/vdb1"),
        (r#""format": "vfat""#.to_owned(), "mkfs.vfat /dev/vdb1"),
        (r#""format": "swap""#.to_owned(), "mkswap -f /dev/vdb1"),
        (
            format!(r#""format": "ext4", {all}"#),
            r#"mkfs.ext4 -x "y z" -F -U a1b2c3d4-0000-4000-8000-00000000abcd -L DATA /dev/vdb1"#,
        ),
        (
            format!(r#""format": "btrfs", {all}"#),
            r#"mkfs.btrfs -x "y z" --force -U a1b2c3d4-0000-4000-8000-00000000abcd -L DATA /dev/vdb1"#,
        ),
        (
            format!(r#""format": "xfs", {all}"#),
            r#"mkfs.xfs -x "y z" -f -m uuid=a1b2c3d4-0000-4000-8000-00000000abcd -L DATA /dev/vdb1"#,
        ),
        (
            format!(r#""format": "swap", {all}"#),
            r#"mkswap -x "y z" -f -U a1b2c3d4-0000-4000-8000-00000000abcd -L DATA /dev/vdb1"#,
        ),
        (
            r#""format": "vfat", "label": "ESP", "uuid": "A1B2-C3D4", "options": ["-F", "32"]"#
                .to_owned(),
            "mkfs.vfat -F 32 -i a1b2c3d4 -n ESP /dev/vdb1",
        ),
        (
            r#""format": "vfat", "uuid": "A1B2C3D4""#.to_owned(),
            "mkfs.vfat -i a1b2c3d4 /dev/vdb1",
        ),
    ] {
        assert_eq!(decided(&wanted(&fields), &Found::Blank), expected);
        let expected = format!("wipefs -a /dev/vdb1; {expected}");
        let wipe = wanted(&format!(r#"{fields}, "wipeFilesystem": true"#));
        assert_eq!(decided(&wipe, &Found::Several(Vec::new())), expected);
    }
}

fn content(kind: &str, label: &str, uuid: &str) -> Found {
    Found::Content(Content {
        kind: kind.to_owned(),
        version: "1".to_owned(),
        label: label.to_owned(),
        uuid: uuid.to_owned(),
    })
}

#[test]
fn what_blkid_prints() {
    let full = "ID_FS_LABEL=a_b\nID_FS_LABEL_ENC=a\\x20b\\x5cä\\xff\\x\\xzz\nID_FS_UUID=a1\nID_FS_UUID_ENC=a1\nID_FS_VERSION=1.0\nID_FS_TYPE=ext4\nID_PART_ENTRY_UUID=77\n";
    let expected = Content {
        kind: "ext4".into(),
        version: "1.0".into(),
        label: "a b\\ä\u{fffd}\\x\\xzz".into(),
        uuid: "a1".into(),
    };
    let fat = Content {
        kind: "vfat".into(),
        ..Content::default()
    };
    for (text, found) in [
        (full, Found::Content(expected)),
        ("", Found::Blank),
        (
            "ID_PART_ENTRY_TYPE=0fc6\nID_FS_LABEL_ENC=\\x4",
            Found::Blank,
        ),
        (
            "ID_PART_TABLE_UUID=1\nID_PART_TABLE_TYPE=gpt\n",
            Found::Table("gpt".into()),
        ),
        // The boot sector of FAT looks like a partition table too.
        (
            "ID_FS_TYPE=vfat\nID_FS_SEC_TYPE=msdos\nID_PART_TABLE_TYPE=dos\n",
            Found::Content(fat),
        ),
    ] {
        assert_eq!(parse(text), found, "{text}");
    }
}

#[test]
fn real_probes() {
    let root = tempfile::tempdir().unwrap();
    let path = image(root.path(), "vdb", 32);
    let machine = real(root.path());
    let vdb = device("/dev/vdb", &machine);
    let found = || probe(&vdb, &machine).unwrap();
    assert_eq!(found(), Found::Blank);
    Tools::host()
        .command(Tool::Sgdisk)
        .arg("--new=1:0:0")
        .arg(&path)
        .run()
        .unwrap();
    assert_eq!(found(), Found::Table("gpt".into()));
    Tools::host()
        .command(Tool::Wipefs)
        .arg("-a")
        .arg(&path)
        .run()
        .unwrap();
    // Strange labels come through.
    let label = r#"a b\"$`'ä"#;
    Tools::host()
        .command(Tool::MkfsExt4)
        .args(["-q", "-F", "-L", label])
        .arg(&path)
        .run()
        .unwrap();
    assert!(matches!(found(), Found::Content(content) if content.label == label));
    // Two kinds at once: XFS, and the superblock of ext4 where XFS has none.
    let ext4 = std::fs::read(&path).unwrap();
    let path = image(root.path(), "vdb", 320);
    Tools::host()
        .command(Tool::MkfsXfs)
        .arg("-q")
        .arg(&path)
        .run()
        .unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &ext4[1024..2048], 1024).unwrap();
    let Found::Several(all) = found() else {
        panic!("{:?}", found());
    };
    let kinds: Vec<&str> = all.iter().map(|content| content.kind.as_str()).collect();
    assert_eq!(kinds, ["xfs", "ext4"]);
    assert_eq!(all[1].label, label);
    // A device that cannot be read is not a blank one.
    std::fs::remove_file(&path).unwrap();
    let error = chain(&probe(&vdb, &machine).unwrap_err());
    assert!(error.starts_with("cannot open the disk "), "{error}");
}

#[test]
fn kept_or_made() {
    let ext4 = || content("ext4", "DATA", "a1b2c3d4-0000-4000-8000-00000000abcd");
    let esp = || content("vfat", "ESP", "A1B2-C3D4");
    for (fields, found, expected) in [
        (r#""format": "ext4""#, ext4(), "reuse"),
        (r#""format": "ext4", "label": "DATA""#, ext4(), "reuse"),
        (
            r#""format": "ext4", "uuid": "A1B2C3D4-0000-4000-8000-00000000ABCD""#,
            ext4(),
            "reuse",
        ),
        (
            r#""format": "ext4", "wipeFilesystem": false"#,
            ext4(),
            "reuse",
        ),
        (
            r#""format": "vfat", "uuid": "a1b2c3d4", "label": "ESP""#,
            esp(),
            "reuse",
        ),
        (r#""format": "vfat", "uuid": "a1b2-C3D4""#, esp(), "reuse"),
        (r#""format": "none""#, Found::Blank, "reuse"),
        (
            r#""format": "ext4", "wipeFilesystem": true"#,
            ext4(),
            "wipefs -a /dev/vdb1; mkfs.ext4 -F /dev/vdb1",
        ),
        (
            r#""format": "none", "wipeFilesystem": true"#,
            ext4(),
            "wipefs -a /dev/vdb1",
        ),
    ] {
        assert_eq!(decided(&wanted(fields), &found), expected, "{fields}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a line a case")]
fn refused() {
    let ext4 = || content("ext4", "DATA", "a1b2c3d4-0000-4000-8000-00000000abcd");
    let refused = |found: &str, wanted: &str| {
        format!(
            "/dev/disk/by-label/x: it holds {found}, and the config asks for {wanted}; allow it to be erased by wipeFilesystem, or name another device"
        )
    };
    let there = r#"ext4, label "DATA", UUID "a1b2c3d4-0000-4000-8000-00000000abcd""#;
    for (fields, found, expected) in [
        (r#""format": "xfs""#, ext4(), refused(there, "xfs")),
        (
            r#""format": "none""#,
            ext4(),
            refused(there, "no file system"),
        ),
        (
            r#""format": "ext4", "label": "data""#,
            ext4(),
            refused(there, r#"ext4 with label "data""#),
        ),
        (
            r#""format": "ext4", "label": """#,
            ext4(),
            refused(there, "ext4 without a label"),
        ),
        (
            r#""format": "ext4", "uuid": "b1b2c3d4-0000-4000-8000-00000000abcd""#,
            ext4(),
            refused(
                there,
                r#"ext4 with UUID "b1b2c3d4-0000-4000-8000-00000000abcd""#,
            ),
        ),
        (
            r#""format": "ext4""#,
            content("linux_raid_member", "host:0", "7"),
            refused(r#"linux_raid_member, label "host:0", UUID "7""#, "ext4"),
        ),
        (
            r#""format": "swap""#,
            content("crypto_LUKS", "", "8"),
            refused(r#"crypto_LUKS, label "", UUID "8""#, "swap"),
        ),
        (
            r#""format": "ext4""#,
            Found::Table("gpt".to_owned()),
            refused("a partition table (gpt)", "ext4"),
        ),
        (
            r#""format": "ext4""#,
            Found::Several(vec![Content {
                kind: "ntfs".to_owned(),
                ..Content::default()
            }]),
            refused("signatures that contradict each other (ntfs)", "ext4"),
        ),
        (
            r#""format": "zfs""#,
            Found::Blank,
            r#"/dev/disk/by-label/x: the format "zfs" is not supported"#.to_owned(),
        ),
    ] {
        assert_eq!(decided(&wanted(fields), &found), expected, "{fields}");
    }
}

/// Every format with its real program: made, kept with what is in it, refused for another, wiped.
#[test]
fn real_programs() {
    let uuid = "a1b2c3d4-0000-4000-8000-00000000abcd";
    for (format, label, uuid, found_uuid, size) in [
        ("ext4", "DATA", uuid, uuid, 16),
        ("xfs", "DATA", uuid, uuid, 320),
        ("btrfs", "DATA", uuid, uuid, 128),
        ("vfat", "DATA", "A1B2-C3D4", "A1B2-C3D4", 16),
        ("swap", "DATA", uuid, uuid, 16),
    ] {
        let root = tempfile::tempdir().unwrap();
        let path = image(root.path(), "vdb", size);
        let machine = real(root.path());
        let apply = |fields: &str| {
            let text = format!(r#"{{"device": "/dev/vdb", {fields}}}"#);
            let wanted: Filesystem = serde_json::from_str(&text).unwrap();
            match filesystems::apply(&[wanted], &machine) {
                Ok(done) => done[0].to_string(),
                Err(error) => chain(&error),
            }
        };
        let fields = format!(r#""format": "{format}", "label": "{label}", "uuid": "{uuid}""#);
        assert_eq!(apply(&fields), format!("/dev/vdb: {format} made"));
        let Found::Content(made) = probe(&device("/dev/vdb", &machine), &machine).unwrap() else {
            panic!("{format} is not found");
        };
        assert_eq!(
            (made.kind.as_str(), made.label.as_str(), made.uuid.as_str()),
            (format, label, found_uuid)
        );

        let before = std::fs::read(&path).unwrap();
        assert_eq!(
            apply(&fields),
            format!("/dev/vdb: {format} is there already")
        );
        let error = apply(&fields.replace(label, "OTHER"));
        assert!(
            error.starts_with(&format!(
                "/dev/vdb: it holds {format}, label \"DATA\", UUID "
            )),
            "{error}"
        );
        let other = if format == "ext4" { "xfs" } else { "ext4" };
        let error = apply(&format!(r#""format": "{other}""#));
        assert!(
            error.ends_with("allow it to be erased by wipeFilesystem, or name another device"),
            "{error}"
        );
        assert!(std::fs::read(&path).unwrap() == before, "{format}");

        let erased = apply(r#""format": "none", "wipeFilesystem": true"#);
        assert_eq!(erased, "/dev/vdb: erased");
        assert_eq!(
            probe(&device("/dev/vdb", &machine), &machine).unwrap(),
            Found::Blank
        );
        assert_eq!(
            apply(r#""format": "none""#),
            "/dev/vdb: it holds nothing, as the config asks"
        );
    }
}
