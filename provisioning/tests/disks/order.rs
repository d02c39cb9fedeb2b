//! The whole stage, in order, on a machine with udev.

use std::fs::{create_dir_all, write};
use std::os::unix::fs::symlink;

use acl_provision::config::spec::Config;
use acl_provision::stage::disks::{self, Keys};

use super::programs::{image, recorded};

const CONFIG: &str = r#"{
    "ignition": {"version": "3.6.0"},
    "storage": {
        "filesystems": [
            {"device": "/dev/mapper/secret", "format": "ext4", "label": "secret", "path": "/srv"},
            {"device": "/dev/disk/by-partlabel/swap", "format": "swap"},
            {"device": "/dev/md/without-a-format"}
        ],
        "luks": [{"name": "secret", "device": "/dev/md/data", "clevis": {"tpm2": true}}],
        "raid": [{"name": "data", "level": "raid1", "devices": ["/dev/disk/by-id/one", "/dev/disk/by-id/two"]}],
        "disks": [{"device": "/dev/disk/by-id/one", "partitions": [{"label": "x", "sizeMiB": 1}]}]
    }
}"#;

/// `KEY` is the key file.
const LINES: &str = "\
    udevadm settle --timeout=7\n\
    blkid --probe --output udev /dev/vdb\n\
    wipefs --parsable --output TYPE /dev/vdb\n\
    udevadm trigger --settle /dev/vdb\n\
    udevadm settle --timeout=7\n\
    udevadm settle --timeout=7\n\
    mdadm --create data --force --run --homehost any --level raid1 --raid-devices 2 /dev/vdb /dev/vdc\n\
    udevadm settle --timeout=7\n\
    udevadm settle --timeout=7\n\
    blkid --probe --output udev /dev/md127\n\
    wipefs --parsable --output TYPE /dev/md127\n\
    cryptsetup luksFormat --type luks2 --key-file KEY /dev/md127\n\
    cryptsetup luksOpen /dev/md127 secret --key-file KEY --persistent\n\
    clevis luks bind -f -k KEY -d /dev/md127 sss \"{\\\"pins\\\":{\\\"tpm2\\\":{}},\\\"t\\\":1}\"\n\
    cryptsetup luksClose secret\n\
    clevis luks unlock -d /dev/md127 -n secret\n\
    cryptsetup luksRemoveKey /dev/md127 KEY\n\
    udevadm trigger --settle /dev/md127\n\
    udevadm settle --timeout=7\n\
    udevadm settle --timeout=7\n\
    blkid --probe --output udev /dev/dm-0\n\
    wipefs --parsable --output TYPE /dev/dm-0\n\
    mkfs.ext4 -F -L secret /dev/dm-0\n\
    blkid --probe --output udev /dev/vdd1\n\
    wipefs --parsable --output TYPE /dev/vdd1\n\
    mkswap -f /dev/vdd1\n\
    udevadm settle --timeout=7";

#[test]
fn partitions_then_raid_then_luks_then_filesystems() {
    let root = tempfile::tempdir().unwrap();
    let links = [
        ("disk/by-id/one", "vdb"),
        ("disk/by-id/two", "vdc"),
        ("disk/by-partlabel/swap", "vdd1"),
        ("md/data", "md127"),
        ("mapper/secret", "dm-0"),
    ];
    for (link, name) in links {
        image(root.path(), name, 8);
        let link = root.path().join("dev").join(link);
        create_dir_all(link.parent().unwrap()).unwrap();
        let up = "../".repeat(
            link.strip_prefix(root.path().join("dev"))
                .unwrap()
                .components()
                .count()
                - 1,
        );
        symlink(format!("{up}{name}"), link).unwrap();
    }
    create_dir_all(root.path().join("run/udev")).unwrap();
    write(root.path().join("run/udev/control"), "").unwrap();
    let (machine, recorder) = recorded(root.path(), |line| match line {
        _ if line.starts_with("blkid") => Err(2),
        _ => Ok(""),
    });
    let config: Config = serde_json::from_str(CONFIG).unwrap();
    let done = disks::apply(&config, &Keys::default(), &machine).unwrap();
    let done: Vec<String> = done.iter().map(ToString::to_string).collect();
    assert_eq!(
        done,
        [
            "/dev/disk/by-id/one: partition 1 created",
            "data: raid1 of 2 devices made",
            "secret: made and opened",
            "/dev/mapper/secret: ext4 made",
            "/dev/disk/by-partlabel/swap: swap made",
        ]
    );
    let key = "/run/ignition/luks-keyfiles/secret";
    assert_eq!(recorder.taken().join("\n").replace(key, "KEY"), LINES);
}

#[test]
fn nothing_wanted_nothing_run() {
    let root = tempfile::tempdir().unwrap();
    create_dir_all(root.path().join("run/udev")).unwrap();
    write(root.path().join("run/udev/control"), "").unwrap();
    let (machine, recorder) = recorded(root.path(), |_| Err(1));
    for text in [
        r#"{"ignition": {"version": "3.6.0"}}"#,
        r#"{"ignition": {"version": "3.6.0"}, "storage": {"files": [{"path": "/x"}]}}"#,
        r#"{"ignition": {"version": "3.6.0"}, "storage": {"filesystems": [{"device": "/dev/x"}]}}"#,
    ] {
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(
            disks::apply(&config, &Keys::default(), &machine).unwrap(),
            []
        );
    }
    assert_eq!(recorder.taken(), [""; 0]);
}
