//! What must survive a power cut is flushed, each in its order, and what is read back comes from the device.

use std::fs::File;
use std::io::Write;

use acl_host::disk::{Disk, Piece};
use acl_host::error::chain;
use acl_host::esp::Esp;
use acl_host::{Error, file};

use crate::recorder::{Cache, Mounted};

fn mounted(directories: &[&str]) -> Mounted {
    Mounted::new(Cache::WriteThrough, directories)
}

#[test]
fn a_durable_write_flushes_the_file_before_its_name_and_the_name_after() {
    let mounted = mounted(&[]);
    let path = mounted.path().join("state.json");
    for write in [file::write, file::write_private] {
        write(path.as_path(), b"content").unwrap();
        let order = [
            "create .state.json.new",
            "write .state.json.new",
            "fsync .state.json.new",
            "rename .state.json.new state.json",
            "fsyncdir",
        ];
        assert_eq!(mounted.take(), order);
    }
}

#[test]
fn a_write_that_cannot_be_flushed_keeps_the_old_file() {
    let mounted = mounted(&[]);
    let path = mounted.path().join("state.json");
    file::write(&path, b"old").unwrap();
    mounted.fail("fsync .state.json.new");
    let error = file::write(&path, b"new").unwrap_err();
    assert!(matches!(&error, Error::WriteFile { path: named, .. } if *named == path));
    assert_eq!(mounted.arrived("state.json"), b"old");
    mounted.fail("fsyncdir");
    let error = file::write(&path, b"new").unwrap_err();
    assert!(matches!(&error, Error::Sync { path, .. } if path == mounted.path()));
    let shown = chain(&error).replace(&mounted.path().display().to_string(), "DIR");
    assert_eq!(
        shown,
        "cannot make DIR durable: Input/output error (os error 5)"
    );
}

#[test]
fn removing_and_renaming_flush_the_directories() {
    let mounted = mounted(&["a", "b"]);
    let at = |path: &str| mounted.path().join(path);
    file::scratch(at("a/one"), b"1").unwrap();
    mounted.take();
    file::rename(at("a/one"), at("a/two")).unwrap();
    assert_eq!(mounted.take(), ["rename a/one a/two", "fsyncdir a"]);
    file::rename(at("a/two"), at("b/two")).unwrap();
    let order = ["rename a/two b/two", "fsyncdir b", "fsyncdir a"];
    assert_eq!(mounted.take(), order);
    file::remove(at("b/two")).unwrap();
    assert_eq!(mounted.take(), ["unlink b/two", "fsyncdir b"]);
}

/// Each directory's name lies in the one above it.
#[test]
fn made_directories_are_flushed_into_those_above() {
    let mounted = mounted(&["a"]);
    let deep = mounted.path().join("a/b/c");
    file::make_directory(&deep).unwrap();
    let order = ["mkdir a/b", "fsyncdir a", "mkdir a/b/c", "fsyncdir a/b"];
    assert_eq!(mounted.take(), order);
    file::make_directory(&deep).unwrap();
    assert_eq!(mounted.take(), [""; 0]);
    file::scratch(mounted.path().join("a/file"), b"1").unwrap();
    let refused = file::make_directory(mounted.path().join("a/file")).unwrap_err();
    assert!(matches!(refused, Error::MakeDirectory { .. }), "{refused}");
}

#[test]
fn a_file_and_a_directory_are_flushed_when_asked() {
    let mounted = mounted(&["a"]);
    file::scratch(mounted.path().join("a/one"), b"1").unwrap();
    mounted.take();
    file::sync(mounted.path().join("a/one")).unwrap();
    file::sync_dir(mounted.path().join("a")).unwrap();
    assert_eq!(mounted.take(), ["fsync a/one", "fsyncdir a"]);
}

#[test]
fn an_image_is_flushed_before_it_becomes_an_entry() {
    let mounted = mounted(&["EFI", "EFI/Linux"]);
    let esp = Esp::at(mounted.path());
    file::scratch(mounted.path().join("EFI/Linux/acl_2+1-2.efi"), b"older").unwrap();
    mounted.take();
    let written = esp.write("2", &mut b"kernel".as_slice(), 6, 3).unwrap();
    let order = [
        "create EFI/Linux/.acl_2+3.efi.new",
        "fsync EFI/Linux/.acl_2+3.efi.new",
    ];
    assert_eq!(mounted.take_order(), order);
    esp.arm(written).unwrap();
    let order = [
        "rename EFI/Linux/.acl_2+3.efi.new EFI/Linux/acl_2+3.efi",
        "fsyncdir EFI/Linux",
        "fsync EFI/Linux/acl_2+3.efi",
        "unlink EFI/Linux/acl_2+1-2.efi",
        "fsyncdir EFI/Linux",
        // Once more, together with the file system.
        "fsyncdir EFI/Linux",
    ];
    assert_eq!(mounted.take_order(), order);
}

#[test]
fn entries_that_are_removed_or_marked_are_flushed() {
    let mounted = mounted(&["EFI", "EFI/Linux"]);
    let esp = Esp::at(mounted.path());
    for entry in ["acl_1.efi", "acl_2.efi", "acl_3.efi"] {
        file::scratch(esp.entries_directory().join(entry), b"kernel").unwrap();
    }
    mounted.take();
    esp.mark_bad("3").unwrap();
    let order = [
        "rename EFI/Linux/acl_3.efi EFI/Linux/acl_3+0.efi",
        "fsyncdir EFI/Linux",
        "fsync EFI/Linux/acl_3+0.efi",
        "fsyncdir EFI/Linux",
    ];
    assert_eq!(mounted.take_order(), order);
    esp.disarm("2").unwrap();
    let order = [
        "unlink EFI/Linux/acl_2.efi",
        "fsyncdir EFI/Linux",
        "fsyncdir EFI/Linux",
    ];
    assert_eq!(mounted.take_order(), order);
}

/// FAT keeps its table elsewhere: the whole file system is flushed, and with it what somebody else has written.
#[test]
fn each_change_of_the_entries_flushes_the_whole_file_system() {
    type Change = fn(&Esp);
    let changes: [Change; 3] = [
        |esp| {
            let written = esp.write("9", &mut b"kernel".as_slice(), 6, 3).unwrap();
            esp.arm(written).unwrap();
        },
        |esp| {
            esp.mark_bad("3").unwrap();
        },
        |esp| esp.disarm("2").unwrap(),
    ];
    for change in changes {
        let mounted = Mounted::new(Cache::WriteBack, &["EFI", "EFI/Linux"]);
        let esp = Esp::at(mounted.path());
        for entry in ["acl_1.efi", "acl_2.efi", "acl_3.efi"] {
            file::write(esp.entries_directory().join(entry), b"kernel").unwrap();
        }
        // Open until the end: the kernel passes on what it holds of a file that is closed.
        let mut other = File::create(mounted.path().join("other")).unwrap();
        other.write_all(b"bytes of another file").unwrap();
        change(&esp);
        assert_eq!(mounted.arrived("other"), b"bytes of another file");
    }
}

const PAGE: usize = 4096;

/// A disk of eight pages in a file, of which the kernel holds all.
fn disk(mounted: &Mounted) -> Disk {
    let path = mounted.path().join("disk.raw");
    file::scratch(&path, &[7; 8 * PAGE]).unwrap();
    let disk = Disk::open(path).unwrap();
    disk.read_at(&mut [0; 8 * PAGE], 0).unwrap();
    mounted.take();
    disk
}

#[test]
fn flushing_a_region_flushes_the_disk_and_the_next_read_comes_from_it() {
    let mounted = mounted(&[]);
    let disk = disk(&mounted);
    let region = disk.region("USR-B", 8192..16384).unwrap();
    region.write_at(&[1; 2 * PAGE], 0).unwrap();
    assert_eq!(mounted.take_order(), [] as [&str; 0]);
    region.flush().unwrap();
    assert_eq!(mounted.take(), ["fdatasync disk.raw"]);
    mounted.put("disk.raw", 8192 + 100, &[2]);
    let mut read = [0; 2 * PAGE];
    region.read_at(&mut read, 0).unwrap();
    let mut expected = [1; 2 * PAGE];
    expected[100] = 2;
    assert!(read == expected, "the page cache answered");
    disk.flush().unwrap();
    assert_eq!(mounted.take(), ["fdatasync disk.raw"]);
    mounted.fail("fdatasync disk.raw");
    let error = region.flush().unwrap_err();
    assert!(matches!(&error, Error::Sync { path, .. } if path == disk.path()));
}

#[test]
fn what_is_forgotten_is_read_from_the_device() {
    let mounted = mounted(&[]);
    let region = disk(&mounted).region("USR-B", 8192..16384).unwrap();
    mounted.put("disk.raw", 8192, &[2]);
    let mut read = [0; 1];
    region.forget();
    region.read_at(&mut read, 0).unwrap();
    assert_eq!(read, [2]);
}

#[test]
fn a_direct_read_comes_from_the_device() {
    let mounted = mounted(&[]);
    let region = disk(&mounted).region("USR-B", 8192..16384).unwrap();
    mounted.put("disk.raw", 8192, &[2]);
    let mut piece = Piece::new(PAGE);
    region.direct().read(0, 2, &mut piece).unwrap();
    assert_eq!(piece.bytes(), [2, 7]);
}
