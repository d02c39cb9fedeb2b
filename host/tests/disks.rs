//! Disks in files, regions of them, and disks found by their partitions.

use std::fs::{File, create_dir_all, write};
use std::os::unix::fs::symlink;
use std::path::Path;

use acl_host::disk::{self, Disk, Piece};
use acl_host::error::chain;
use acl_host::gpt::{Table, kind};
use acl_host::guid::Guid;
use acl_host::tool::{Tool, Tools};
use acl_host::{Error, Who};

fn blank(directory: &Path, size: u64) -> std::path::PathBuf {
    let path = directory.join("disk.raw");
    File::create(&path).unwrap().set_len(size).unwrap();
    path
}

#[test]
fn a_region_cannot_be_left() {
    let temp = tempfile::tempdir().unwrap();
    let path = blank(temp.path(), 8192);
    let disk = Disk::open(&path).unwrap();
    assert_eq!((disk.size(), disk.sector()), (8192, 512));
    let region = disk.region("USR-B", 1024..2048).unwrap();
    region.write_at(&[7; 24], 1000).unwrap();
    region.flush().unwrap();
    for (offset, length) in [(1001, 24), (1024, 1), (u64::MAX, 2)] {
        let error = region.write_at(&vec![8; length], offset).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{length} bytes at {offset} do not fit into the 1024 bytes of USR-B: the release needs larger slots than this disk has"
            )
        );
        let reading = region.read_at(&mut vec![0; length], offset).unwrap_err();
        assert_eq!(reading.to_string(), error.to_string());
    }
    let mut expected = vec![0; 8192];
    expected[2024..2048].fill(7);
    assert!(std::fs::read(&path).unwrap() == expected);
    let mut back = [0; 24];
    region.read_at(&mut back, 1000).unwrap();
    assert_eq!(back, [7; 24]);
}

#[test]
fn a_disk_in_a_file_does_not_grow() {
    let temp = tempfile::tempdir().unwrap();
    let path = blank(temp.path(), 4096);
    let disk = Disk::open(&path).unwrap();
    let error = disk.write_at(&[1], 4096).unwrap_err();
    assert!(matches!(error, Error::OutsideOfRegion { .. }));
    let error = disk.region("x", 0..4097).unwrap_err();
    assert!(matches!(
        error,
        Error::OutsideOfRegion {
            offset: 0,
            length: 4097,
            size: 4096,
            ..
        }
    ));
    let error = disk.read_at(&mut [0; 2], 4095).unwrap_err();
    let shown = chain(&error).replace(&path.display().to_string(), "DISK");
    assert_eq!(
        shown,
        "cannot read 2 bytes at 4095 of DISK: failed to fill whole buffer"
    );
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4096);
}

#[test]
fn disks_that_cannot_be_opened() {
    let error = Disk::open("/nowhere").unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot open the disk /nowhere: No such file or directory (os error 2)"
    );
    let temp = tempfile::tempdir().unwrap();
    let error = Disk::open_read_only(temp.path()).unwrap_err();
    assert_eq!(
        chain(&error),
        format!(
            "cannot open the disk {}: is a directory",
            temp.path().display()
        )
    );
    let disk = Disk::open_read_only(blank(temp.path(), 512)).unwrap();
    assert!(matches!(
        disk.write_at(&[1], 0),
        Err(Error::WriteDisk { .. })
    ));
}

/// The kernel's view of two disks: `vda` with two partitions, `vdb` with one.
fn sysfs(root: &Path, with_guids: bool) {
    create_dir_all(root.join("sys/class/block")).unwrap();
    for (disk, name, guid) in [
        ("vda", "", ""),
        ("vda", "vda1", "11111111-1111-1111-1111-111111111111"),
        ("vda", "vda2", "22222222-2222-2222-2222-22222222222a"),
        ("vdb", "", ""),
        ("vdb", "vdb1", "33333333-3333-3333-3333-333333333333"),
    ] {
        let device = root.join("sys/devices/pci/block").join(disk).join(name);
        create_dir_all(&device).unwrap();
        let link = root
            .join("sys/class/block")
            .join(if name.is_empty() { disk } else { name });
        symlink(&device, link).unwrap();
        let told = if with_guids && !guid.is_empty() {
            format!("PARTUUID={guid}\n")
        } else {
            String::new()
        };
        write(device.join("uevent"), format!("DEVTYPE=x\n{told}PARTN=1\n")).unwrap();
    }
}

fn guid(text: &str) -> Guid {
    text.parse().unwrap()
}

#[test]
fn a_disk_is_found_by_a_partition() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    sysfs(root, true);
    let second = guid("22222222-2222-2222-2222-22222222222A");
    assert_eq!(disk::find(root, second).unwrap(), root.join("dev/vda"));
    let other = guid("33333333-3333-3333-3333-333333333333");
    assert_eq!(disk::find(root, other).unwrap(), root.join("dev/vdb"));
    let error = disk::find(root, Guid([0xaa; 16])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no disk of this machine has a partition aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
    );
    assert_eq!(error.who(), Who::Environment);
}

#[test]
fn a_copy_of_the_disk_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    sysfs(root, true);
    let uevent = root.join("sys/devices/pci/block/vdb/vdb1/uevent");
    write(uevent, "PARTUUID=22222222-2222-2222-2222-22222222222a\n").unwrap();
    let error = disk::find(root, guid("22222222-2222-2222-2222-22222222222a")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "more than one disk has a partition 22222222-2222-2222-2222-22222222222a (vda, vdb): detach the copy"
    );
}

#[test]
fn udev_is_asked_where_the_kernel_tells_no_guids() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    sysfs(root, false);
    let wanted = guid("22222222-2222-2222-2222-22222222222a");
    assert!(matches!(
        disk::find(root, wanted),
        Err(Error::FindDisk { .. })
    ));
    create_dir_all(root.join("dev/disk/by-partuuid")).unwrap();
    symlink(
        "../../vda2",
        root.join(format!("dev/disk/by-partuuid/{wanted}")),
    )
    .unwrap();
    assert_eq!(disk::find(root, wanted).unwrap(), root.join("dev/vda"));
}

/// The other reader of partition tables that everybody has: what sfdisk makes we read, what we write it reads.
#[test]
fn sfdisk_agrees_about_the_table() {
    let temp = tempfile::tempdir().unwrap();
    let path = blank(temp.path(), 64 << 20);
    let sfdisk = || Tools::host().command(Tool::Sfdisk);
    let script = format!(
        "label: gpt\nsize=1MiB, type={}, name=ESP\nsize=4MiB, type={}, name=\"USR-A\", uuid={}, attrs=\"GUID:60\"\n",
        kind::ESP,
        kind::USR,
        Guid([0x5a; 16]),
    );
    sfdisk().arg(&path).input(script).run().unwrap();

    let mut table = Table::read(&path).unwrap();
    let partitions = table.partitions();
    assert_eq!(partitions.len(), 2);
    assert_eq!(
        (partitions[0].label.as_str(), partitions[0].kind),
        ("ESP", kind::ESP)
    );
    let usr = &partitions[1];
    assert_eq!((usr.index, usr.start, usr.length), (2, 2 << 20, 4 << 20));
    assert_eq!((usr.guid, usr.attributes), (Guid([0x5a; 16]), 1 << 60));

    table
        .set_guid(2, guid("01234567-89ab-cdef-0123-456789abcdef"))
        .unwrap();
    table.set_label(2, "USR-B").unwrap();
    table.set_attributes(2, 1 << 63).unwrap();
    table.write().unwrap();
    assert_eq!(Table::read(&path).unwrap().partitions(), table.partitions());

    let verdict = sfdisk().arg("--verify").arg(&path).run().unwrap();
    let verdict = String::from_utf8(verdict).unwrap();
    assert!(verdict.contains("No errors detected."), "{verdict}");
    let dump = String::from_utf8(sfdisk().arg("--dump").arg(&path).run().unwrap()).unwrap();
    let line = dump.lines().last().unwrap().to_lowercase();
    for told in [
        "uuid=01234567-89ab-cdef-0123-456789abcdef",
        "name=\"usr-b\"",
        "attrs=\"guid:63\"",
    ] {
        assert!(line.contains(told), "{line}");
    }
}

/// Everything between one byte and three blocks, beginning anywhere near the edge of a block.
#[test]
fn what_is_written_past_the_cache_is_read_wherever_it_lies() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("disk.raw");
    let mut expected = vec![7; 64 * 1024 - 512];
    std::fs::write(&path, &expected).unwrap();
    let disk = Disk::open(&path).unwrap();
    let region = disk.region("usr", 1536..disk.size()).unwrap();
    let direct = region.direct();
    let mut piece = Piece::new(3 * 4096);
    for (number, offset) in (0..).zip([0, 1, 2559, 2560, 2561, 4096, 30_000]) {
        for length in [1, 511, 4095, 4096, 4097, 8192, 3 * 4096] {
            piece.begin(&region, offset);
            let bytes = vec![number; length + 1];
            let taken = piece.push(&bytes);
            assert_eq!(taken, (length + 1).min(3 * 4096));
            direct.write(&piece).unwrap();
            let at = 1536 + offset as usize;
            expected[at..at + taken].fill(number);
            direct.read(offset, length, &mut piece).unwrap();
            assert_eq!((piece.offset(), piece.bytes()), (offset, &bytes[..length]));
            assert_eq!(piece.end(), offset + length as u64);
        }
    }
    region.flush().unwrap();
    assert!(std::fs::read(&path).unwrap() == expected);
    // The last block of the disk is not whole.
    let last = region.size() - 100;
    direct.read(last, 100, &mut piece).unwrap();
    assert_eq!(piece.bytes(), [7; 100]);
    let error = direct.read(last, 101, &mut piece).unwrap_err().to_string();
    assert!(error.contains("do not fit"), "{error}");
    piece.begin(&region, last);
    piece.push(&[1; 101]);
    let error = direct.write(&piece).unwrap_err().to_string();
    assert!(error.contains("do not fit"), "{error}");
    assert!(std::fs::read(&path).unwrap() == expected);
}
