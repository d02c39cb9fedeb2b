//! Devices with signatures that contradict each other, with the real programs: nothing is erased that the config does not
//! say to erase.
//!
//! `blkid --probe --output udev` of util-linux 2.38 exits with 8 on them. That of 2.41, which trixie has, exits with 2 and
//! prints nothing, as for a blank device. Every case is run as both.

use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use acl_host::Tools;
use acl_host::error::chain;
use acl_host::tool::Tool;
use acl_provision::config::{self, spec};
use acl_provision::stage::disks::probe::{Content, Found, probe};
use acl_provision::stage::disks::{self, Keys, Line, Machine, Programs};

use super::programs::{device, image, real};

/// The host's programs, with the exit status and the output that blkid 2.41 has where 2.38 is ambivalent.
#[derive(Debug)]
struct Trixie(Tools);

impl Programs for Trixie {
    fn run(&self, line: &Line, limit: Option<Duration>) -> acl_host::Result<Vec<u8>> {
        match self.0.run(line, limit) {
            Err(acl_host::Error::RunTool { status, .. })
                if line.tool == Tool::Blkid && status.code() == Some(8) =>
            {
                Err(acl_host::Error::RunTool {
                    program: "blkid".to_owned(),
                    status: ExitStatus::from_raw(2 << 8),
                    stderr: String::new(),
                })
            }
            other => other,
        }
    }
}

/// The machine below `root`, with each of the two.
fn machines(root: &Path) -> [Machine; 2] {
    let trixie = Machine {
        programs: Box::new(Trixie(Tools::host())),
        ..real(root)
    };
    [real(root), trixie]
}

fn run(tool: Tool, args: &[&str], path: &Path) {
    let command = Tools::host().command(tool).args(args.iter().copied());
    command.arg(path).run().unwrap();
}

/// What ZFS leaves at the end of a disk (OpenZFS, "on-disk format", 1.2): two labels, each with a list of names and values
/// (which blkid looks for since 2.41) and uberblocks (which it looked for before).
fn add_zfs_labels(path: &Path) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let size = file.metadata().unwrap().len();
    for label in [size - (512 << 10), size - (256 << 10)] {
        file.write_all_at(&zfs_list(), label + (16 << 10)).unwrap();
        for uberblock in 0..8 {
            let mut start = [0; 16];
            start[..8].copy_from_slice(&0x00ba_b10c_u64.to_le_bytes());
            start[8..].copy_from_slice(&5000_u64.to_le_bytes());
            let at = label + (128 << 10) + uberblock * 1024;
            file.write_all_at(&start, at).unwrap();
        }
    }
}

/// An nvlist in XDR, as far as blkid reads it.
fn zfs_list() -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(text.bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let pair = |name: &str, kind: u32, value: &[u8]| {
        let mut body = text(name);
        body.extend([kind.to_be_bytes(), 1_u32.to_be_bytes()].concat());
        body.extend(value);
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [length.as_slice(), &length, &body].concat()
    };
    let mut list = vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    list.extend(pair("version", 8, &5000_u64.to_be_bytes()));
    list.extend(pair("name", 9, &text("tank")));
    list.extend(pair("state", 8, &0_u64.to_be_bytes()));
    list.extend(pair("txg", 8, &4_u64.to_be_bytes()));
    list.extend(pair("pool_guid", 8, &77_u64.to_be_bytes()));
    list.extend(pair("guid", 8, &78_u64.to_be_bytes()));
    list.extend([0; 8]);
    list
}

/// A disk with ext4 labelled L, on which ZFS has left labels.
fn ext4_with_zfs(root: &Path) -> PathBuf {
    let path = image(root, "DISK", 64);
    run(Tool::MkfsExt4, &["-q", "-F", "-L", "L"], &path);
    add_zfs_labels(&path);
    path
}

fn apply(config: &str, machine: &Machine) -> Result<Vec<String>, String> {
    let config = config::parse(config.as_bytes()).config.unwrap();
    let mut keys = Keys::default();
    keys.insert("data", b"k".to_vec());
    match disks::apply(&config, &keys, machine) {
        Ok(done) => Ok(done.iter().map(ToString::to_string).collect()),
        Err(error) => Err(chain(&error)),
    }
}

fn filesystem(fields: &str) -> String {
    let filesystem = format!(r#"{{"device": "/dev/DISK", "path": "/var/d", {fields}}}"#);
    format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"filesystems": [{filesystem}]}}}}"#
    )
}

/// `cases/provisioning/9-keeps-ambivalent-filesystem`, and with other wishes for the same disk.
#[test]
fn keeps_what_the_config_wants_and_refuses_the_rest() {
    let holds = "/dev/DISK: it holds signatures that contradict each other (ext4, zfs_member)";
    let refused = |wanted: &str| {
        Err(format!(
            "{holds}, and the config asks for {wanted}; allow it to be erased by wipeFilesystem, or name another device"
        ))
    };
    let kept =
        "/dev/DISK: ext4 is there already, with signatures of zfs_member, which are left alone";
    let root = tempfile::tempdir().unwrap();
    let path = ext4_with_zfs(root.path());
    let before = std::fs::read(&path).unwrap();
    for machine in machines(root.path()) {
        for (fields, expected) in [
            (
                r#""format": "ext4", "label": "L""#,
                Ok(vec![kept.to_owned()]),
            ),
            (r#""format": "ext4""#, Ok(vec![kept.to_owned()])),
            (
                r#""format": "ext4", "label": "M""#,
                refused(r#"ext4 with label "M""#),
            ),
            (r#""format": "xfs""#, refused("xfs")),
            (r#""format": "none""#, refused("no file system")),
        ] {
            assert_eq!(apply(&filesystem(fields), &machine), expected, "{fields}");
            assert!(std::fs::read(&path).unwrap() == before, "{fields}");
        }
    }
}

#[test]
fn erases_what_the_config_says_to_erase() {
    for number in [0, 1] {
        let root = tempfile::tempdir().unwrap();
        ext4_with_zfs(root.path());
        let [first, second] = machines(root.path());
        let machine = if number == 0 { first } else { second };
        let wipe = filesystem(r#""format": "ext4", "label": "M", "wipeFilesystem": true"#);
        let made = vec!["/dev/DISK: ext4 made".to_owned()];
        assert_eq!(apply(&wipe, &machine), Ok(made));
        let found = probe(&device("/dev/DISK", &machine), &machine).unwrap();
        let Found::Content(Content { kind, label, .. }) = &found else {
            panic!("{found:?}");
        };
        assert_eq!((kind.as_str(), label.as_str()), ("ext4", "M"));
    }
}

/// A volume is never made over signatures, and one that is there is not made anew because of others.
#[test]
fn volumes_too() {
    let config = r#"{"ignition": {"version": "3.4.0"}, "storage": {"luks": [
        {"name": "data", "device": "/dev/DISK", "keyFile": {"source": "data:,k"}}]}}"#;
    let root = tempfile::tempdir().unwrap();
    let path = ext4_with_zfs(root.path());
    let before = std::fs::read(&path).unwrap();
    for machine in machines(root.path()) {
        assert_eq!(
            apply(config, &machine).unwrap_err(),
            "the LUKS volume data: /dev/DISK holds signatures that contradict each other (ext4, zfs_member); \
             allow it to be erased by wipeVolume, or name another device"
        );
        assert!(std::fs::read(&path).unwrap() == before);
    }
    std::fs::write(root.path().join("key"), "k").unwrap();
    let key = root.path().join("key").display().to_string();
    let path = image(root.path(), "DISK", 64);
    let fast = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let format = ["luksFormat", "-q", "--type", "luks2", "--key-file", &key];
    run(Tool::Cryptsetup, &[&format[..], &fast].concat(), &path);
    add_zfs_labels(&path);
    let before = std::fs::read(&path).unwrap();
    for machine in machines(root.path()) {
        let found = probe(&device("/dev/DISK", &machine), &machine).unwrap();
        // To blkid, a LUKS header outweighs what is found behind it.
        let Found::Content(content) = &found else {
            panic!("{found:?}");
        };
        let kind = (content.kind.as_str(), content.version.as_str());
        assert_eq!(kind, ("crypto_LUKS", "2"));
        // It is opened, as far as this machine can (there may be no device-mapper), and not made anew.
        let _ = apply(config, &machine);
        assert!(std::fs::read(&path).unwrap() == before);
    }
}

/// A first partition table is not put over what a whole disk holds.
#[test]
fn tables_too() {
    let config = |wipe: bool| {
        format!(
            r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"disks": [{{"device": "/dev/DISK", "wipeTable": {wipe},
            "partitions": [{{"number": 1, "sizeMiB": 8}}]}}]}}}}"#
        )
    };
    let refused = |what: &str| {
        Err(format!(
            "the disk /dev/DISK: it has no partition table, and holds {what}; \
             allow it to be erased by wipeTable, or name another device"
        ))
    };
    let root = tempfile::tempdir().unwrap();
    for machine in machines(root.path()) {
        let path = ext4_with_zfs(root.path());
        let before = std::fs::read(&path).unwrap();
        let several = "signatures that contradict each other (ext4, zfs_member)";
        assert_eq!(apply(&config(false), &machine), refused(several));
        assert!(std::fs::read(&path).unwrap() == before);
        let path = image(root.path(), "DISK", 64);
        let uuid = "a1b2c3d4-0000-4000-8000-00000000abcd";
        run(Tool::MkfsExt4, &["-q", "-F", "-U", uuid], &path);
        let before = std::fs::read(&path).unwrap();
        let ext4 = format!("ext4, label \"\", UUID {uuid:?}");
        assert_eq!(apply(&config(false), &machine), refused(&ext4));
        assert!(std::fs::read(&path).unwrap() == before);
        let made = vec!["/dev/DISK: partition 1 created".to_owned()];
        assert_eq!(apply(&config(true), &machine), Ok(made));
    }
}

/// A tool that is missing or fails is an error, and never a blank device.
#[test]
fn a_program_that_fails_finds_nothing() {
    let wanted: spec::Filesystem =
        serde_json::from_str(r#"{"device": "/dev/DISK", "format": "ext4"}"#).unwrap();
    let root = tempfile::tempdir().unwrap();
    image(root.path(), "DISK", 1);
    for (answer, expected) in [
        (
            (|line| {
                if line.starts_with("blkid") {
                    Err(2)
                } else {
                    Err(1)
                }
            }) as super::programs::Answer,
            "cannot look for file systems on /dev/DISK: wipefs failed (exit status: 1) and said nothing",
        ),
        (
            |_| Err(4),
            "cannot look for file systems on /dev/DISK: blkid failed (exit status: 4) and said nothing",
        ),
    ] {
        let (machine, recorder) = super::programs::recorded(root.path(), answer);
        let error = disks::filesystems::apply(std::slice::from_ref(&wanted), &machine).unwrap_err();
        assert_eq!(chain(&error), expected);
        assert!(!recorder.taken().iter().any(|line| line.starts_with("mkfs")));
    }
}
