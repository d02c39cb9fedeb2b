//! Tables on disks in files, read back by the programs that others use.

use std::fs::{create_dir_all, write};
use std::os::unix::fs::symlink;
use std::path::Path;

use acl_host::Tools;
use acl_host::error::chain;
use acl_host::tool::Tool;
use acl_provision::config::spec;
use acl_provision::stage::disks::partitions;
use acl_provision::stage::disks::partitions::in_use::InUse;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::programs::{device, image, real, recorded};

/// A partition as sfdisk tells it, in sectors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    pub(crate) number: u64,
    pub(crate) start: u64,
    pub(crate) size: u64,
    kind: String,
    uuid: String,
    name: String,
    attributes: String,
}

pub(crate) fn listed(path: &Path) -> Vec<Listed> {
    let output = Tools::host()
        .command(Tool::Sfdisk)
        .arg("--json")
        .arg(path)
        .run()
        .unwrap();
    let table: serde_json::Value = serde_json::from_slice(&output).unwrap();
    let table = &table["partitiontable"];
    assert_eq!(table["label"], "gpt");
    let own = path.display().to_string();
    let partitions = table["partitions"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut listed: Vec<Listed> = partitions
        .iter()
        .map(|partition| Listed {
            number: text(&partition["node"])[own.len()..]
                .trim_start_matches('p')
                .parse()
                .unwrap(),
            start: partition["start"].as_u64().unwrap(),
            size: partition["size"].as_u64().unwrap(),
            kind: text(&partition["type"]),
            uuid: text(&partition["uuid"]),
            name: text(&partition["name"]),
            attributes: text(&partition["attrs"]),
        })
        .collect();
    listed.sort_by_key(|partition| partition.number);
    listed
}

/// Both copies and the protective MBR are what sgdisk and sfdisk want.
fn verified(path: &Path) {
    let output = Tools::host()
        .command(Tool::Sgdisk)
        .arg("--verify")
        .arg(path)
        .run()
        .unwrap();
    let text = String::from_utf8(output).unwrap();
    assert!(text.contains("No problems found."), "{text}");
    let output = Tools::host()
        .command(Tool::Sfdisk)
        .arg("--verify")
        .arg(path)
        .run()
        .unwrap();
    let text = String::from_utf8(output).unwrap();
    assert!(text.contains("No errors detected."), "{text}");
}

fn disk(partitions: &str, wipe: bool) -> spec::Disk {
    let text = format!(
        r#"{{"device": "/dev/disk/by-id/it", "wipeTable": {wipe}, "partitions": [{partitions}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// A disk with a link to it, as udev makes them.
fn linked(root: &Path, mib: u64) -> std::path::PathBuf {
    let path = image(root, "vdb", mib);
    create_dir_all(root.join("dev/disk/by-id")).unwrap();
    symlink("../../vdb", root.join("dev/disk/by-id/it")).unwrap();
    path
}

fn apply(root: &Path, disk: &spec::Disk) -> Result<Vec<String>, String> {
    match partitions::apply(std::slice::from_ref(disk), &real(root)) {
        Ok(done) => Ok(done.iter().map(ToString::to_string).collect()),
        Err(error) => Err(chain(&error)),
    }
}

#[test]
fn a_disk_that_has_grown_is_used_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let path = linked(root.path(), 32);
    let size = r#"{"number": 1, "label": "ROOT"}"#;
    apply(root.path(), &disk(size, false)).unwrap();
    Tools::host()
        .command(Tool::Sgdisk)
        .args(["--attributes=1:set:59"])
        .arg(&path)
        .run()
        .unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(64 << 20).unwrap();
    let before = listed(&path).remove(0);
    let grown = r#"{"number": 1, "label": "ROOT", "sizeMiB": 0, "resize": true}"#;
    let done = apply(root.path(), &disk(grown, false)).unwrap();
    assert_eq!(done, ["/dev/disk/by-id/it: partition 1 resized"]);
    verified(&path);
    let expected = Listed {
        size: 63 * 2048 - 33,
        ..before
    };
    assert_eq!(expected.attributes, "GUID:59");
    assert_eq!(listed(&path), [expected]);
}

#[test]
fn disks_that_are_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let path = linked(root.path(), 16);
    let one = r#"{"number": 1, "sizeMiB": 1}"#;

    // An MBR.
    Tools::host()
        .command(Tool::Sfdisk)
        .args(["--label", "dos"])
        .arg(&path)
        .input("2048,2048\n")
        .run()
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = apply(root.path(), &disk(one, false)).unwrap_err();
    assert_eq!(
        error,
        "the disk /dev/disk/by-id/it: it has an MBR partition table, and only GPT is supported; allow it to be erased by wipeTable"
    );
    assert!(std::fs::read(&path).unwrap() == before);
    apply(root.path(), &disk(one, true)).unwrap();
    verified(&path);

    // A GPT with both copies damaged.
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[512 + 56] ^= 1;
    damaged[(16 << 20) - 512 + 56] ^= 1;
    write(&path, &damaged).unwrap();
    let error = apply(root.path(), &disk(one, false)).unwrap_err();
    assert!(
        error.starts_with(
            "the disk /dev/disk/by-id/it: its partition table is damaged (primary copy: "
        ),
        "{error}"
    );
    assert!(
        error.ends_with("; repair it, or allow it to be erased by wipeTable"),
        "{error}"
    );
    assert!(std::fs::read(&path).unwrap() == damaged);

    // Too small.
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(20_000)
        .unwrap();
    let error = apply(root.path(), &disk(one, true)).unwrap_err();
    assert_eq!(
        error,
        "the disk /dev/disk/by-id/it: its 20000 bytes are too few for a partition table"
    );
}

#[test]
fn a_damaged_copy_is_mended_with_the_next_change() {
    let root = tempfile::tempdir().unwrap();
    let path = linked(root.path(), 16);
    apply(root.path(), &disk(r#"{"number": 1, "sizeMiB": 1}"#, false)).unwrap();
    for place in [512 + 56, (16 << 20) - 512 + 56] {
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[place] ^= 1;
        write(&path, &damaged).unwrap();
        let partition = format!(r#"{{"label": "after {place}", "sizeMiB": 1}}"#);
        apply(root.path(), &disk(&partition, false)).unwrap();
        verified(&path);
    }
    assert_eq!(listed(&path).len(), 3);
}

#[test]
fn a_device_that_does_not_appear() {
    let root = tempfile::tempdir().unwrap();
    create_dir_all(root.path().join("run/udev")).unwrap();
    write(root.path().join("run/udev/control"), "").unwrap();
    for answer in [
        |_: &str| Ok(""),
        |line: &str| {
            if line.contains(" wait ") {
                Err(1)
            } else {
                Ok("")
            }
        },
    ] {
        let (machine, recorder) = recorded(root.path(), answer);
        let error = partitions::apply(&[disk("", false)], &machine).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the device /dev/disk/by-id/it did not appear within 7 s; check its name in the config, and that the machine has it"
        );
        assert_eq!(
            recorder.taken(),
            [
                "udevadm settle --timeout=7",
                "udevadm wait --settle --timeout=7 /dev/disk/by-id/it"
            ]
        );
    }
}

#[test]
fn made_kept_and_deleted() {
    let root = tempfile::tempdir().unwrap();
    let path = linked(root.path(), 64);
    let esp = r#"{"number": 1, "sizeMiB": 8, "label": "ESP", "typeGuid": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "guid": "11111111-2222-4333-8444-555555555555"}"#;
    let both =
        format!(r#"{esp}, {{"label": "dätä", "guid": "21111111-2222-4333-8444-555555555555"}}"#);
    let done = apply(root.path(), &disk(&both, false)).unwrap();
    assert_eq!(
        done,
        [
            "/dev/disk/by-id/it: partition 1 created",
            "/dev/disk/by-id/it: partition 2 created"
        ]
    );
    verified(&path);
    let listed_esp = Listed {
        number: 1,
        start: 2048,
        size: 8 * 2048,
        kind: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B".into(),
        uuid: "11111111-2222-4333-8444-555555555555".into(),
        name: "ESP".into(),
        attributes: String::new(),
    };
    let listed_data = Listed {
        number: 2,
        start: 9 * 2048,
        size: 64 * 2048 - 33 - 9 * 2048,
        kind: "0FC63DAF-8483-4772-8E79-3D69D8477DE4".into(),
        uuid: "21111111-2222-4333-8444-555555555555".into(),
        name: "dätä".into(),
        attributes: String::new(),
    };
    assert_eq!(listed(&path), [listed_esp.clone(), listed_data]);

    // The same config again: not a byte changes.
    let before = std::fs::read(&path).unwrap();
    let done = apply(root.path(), &disk(&both, false)).unwrap();
    assert_eq!(
        done,
        [
            "/dev/disk/by-id/it: partition 1 matches",
            "/dev/disk/by-id/it: partition 2 matches"
        ]
    );
    assert!(std::fs::read(&path).unwrap() == before);

    // What may not change is left, to the byte.
    let other = r#"{"number": 1, "sizeMiB": 9}"#;
    let error = apply(root.path(), &disk(other, false)).unwrap_err();
    assert_eq!(
        error,
        "partition 1 of /dev/disk/by-id/it: it is not what the config asks for: its size is 8 MiB, and the config asks for 9 MiB; allow it to be replaced by wipePartitionEntry"
    );
    assert!(std::fs::read(&path).unwrap() == before);

    // Deleted.
    let changed =
        format!(r#"{esp}, {{"number": 2, "shouldExist": false, "wipePartitionEntry": true}}"#);
    apply(root.path(), &disk(&changed, false)).unwrap();
    verified(&path);
    assert_eq!(listed(&path), [listed_esp]);
}

#[test]
fn wiped_with_new_partitions_and_with_none() {
    let root = tempfile::tempdir().unwrap();
    let path = linked(root.path(), 64);
    let old = r#"{"number": 1, "sizeMiB": 8}, {"number": 2}"#;
    apply(root.path(), &disk(old, false)).unwrap();
    let one = r#"{"number": 3, "sizeMiB": 1, "label": "new"}"#;
    apply(root.path(), &disk(one, true)).unwrap();
    verified(&path);
    let places: Vec<(u64, u64, u64)> = listed(&path)
        .iter()
        .map(|p| (p.number, p.start, p.size))
        .collect();
    assert_eq!(places, [(3, 2048, 2048)]);
    assert_eq!(apply(root.path(), &disk("", true)).unwrap(), [""; 0]);
    assert!(std::fs::read(&path).unwrap() == vec![0; 64 << 20]);
}

/// A disk with five partitions, of which four are in use, each in another way.
fn busy(root: &Path) {
    linked(root, 16);
    for name in ["vdb1", "vdb2", "vdb3", "vdb4", "vdb5"] {
        image(root, name, 1);
    }
    let blocks = root.join("sys/class/block/vdb");
    for (number, device) in [
        (1, "254:17"),
        (2, "254:18"),
        (3, "254:19"),
        (4, "254:20"),
        (5, "254:21"),
    ] {
        let partition = blocks.join(format!("vdb{number}"));
        create_dir_all(partition.join("holders")).unwrap();
        write(partition.join("partition"), format!("{number}\n")).unwrap();
        write(partition.join("dev"), format!("{device}\n")).unwrap();
    }
    create_dir_all(blocks.join("holders")).unwrap();
    create_dir_all(blocks.join("queue")).unwrap();
    write(blocks.join("dev"), "254:16\n").unwrap();
    create_dir_all(blocks.join("vdb2/holders/dm-0")).unwrap();
    create_dir_all(root.join("proc/self")).unwrap();
    create_dir_all(root.join("dev/disk/by-label")).unwrap();
    symlink("../../vdb5", root.join("dev/disk/by-label/pool")).unwrap();
    write(
        root.join("proc/swaps"),
        "Filename Type\n/dev/vdb3 partition 1 2 3\n",
    )
    .unwrap();
    let mounts = "24 1 254:17 / / rw - ext4 /dev/vdb1 rw\n25 1 0:40 / /pool rw - btrfs /dev/disk/by-label/pool rw\n";
    write(root.join("proc/self/mountinfo"), mounts).unwrap();
}

#[test]
fn who_uses_a_disk() {
    let root = tempfile::tempdir().unwrap();
    busy(root.path());
    let blocks = root.path().join("sys/class/block/vdb");
    let (machine, _) = recorded(root.path(), |_| Ok(""));
    let expected = [
        (1, "mounted at /"),
        (2, "held by dm-0"),
        (3, "as swap space"),
        (5, "mounted at /pool"),
    ];
    let it = device("/dev/disk/by-id/it", &machine);
    let mut found = InUse::look(&it, &machine).unwrap();
    let expected = InUse {
        disk: None,
        partitions: expected
            .map(|(number, user)| (number, user.to_owned()))
            .into(),
    };
    assert_eq!(found, expected);
    create_dir_all(blocks.join("holders/md127")).unwrap();
    found = InUse::look(&it, &machine).unwrap();
    assert_eq!(found.disk.as_deref(), Some("held by md127"));

    // And nothing is written to it.
    let before = std::fs::read(root.path().join("dev/vdb")).unwrap();
    let error = apply(root.path(), &disk(r#"{"number": 6}"#, false)).unwrap_err();
    assert_eq!(
        error,
        "the disk /dev/disk/by-id/it: it is in use, held by md127, and its partitions would change"
    );
    assert!(std::fs::read(root.path().join("dev/vdb")).unwrap() == before);
}

/// udev reads a disk again whenever somebody closes it; a lock keeps it away (systemd: "Locking Block Device Access").
#[test]
fn a_disk_is_locked_while_its_table_is_made() {
    let root = tempfile::tempdir().unwrap();
    let path = linked(root.path(), 16);
    let other = std::fs::File::open(&path).unwrap();
    // A list of the kernel that is read meanwhile, and does not end before the lock was tried.
    create_dir_all(root.path().join("proc")).unwrap();
    let swaps = root.path().join("proc/swaps");
    rustix::fs::mkfifoat(rustix::fs::CWD, &swaps, Mode::RUSR | Mode::WUSR).unwrap();
    let writer = swaps.clone();
    let looking = std::thread::spawn(move || {
        let end = std::fs::OpenOptions::new().write(true).open(writer);
        let meanwhile = rustix::fs::flock(&other, FlockOperation::NonBlockingLockExclusive);
        drop(end);
        meanwhile
    });
    let done = apply(root.path(), &disk(r#"{"number": 1}"#, false));
    // Lets the other thread go on also where nobody has read the list.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let _reader = rustix::fs::open(&swaps, flags, Mode::empty()).unwrap();
    let meanwhile = looking.join().unwrap();
    assert_eq!(done.unwrap(), ["/dev/disk/by-id/it: partition 1 created"]);
    assert_eq!(meanwhile, Err(Errno::WOULDBLOCK));
}
