use std::path::Path;

use acl_host::tool::{Tool, Tools};
use acl_image::step::formats;

use crate::program::{run, text};

const MIB: usize = 1024 * 1024;

/// A raw disk with data at both ends and a hole between.
fn raw(path: &Path, len: usize) {
    let mut bytes = vec![0; len];
    bytes[..3000].fill(1);
    bytes[len - 5..].fill(2);
    acl_host::file::scratch(path, &bytes).unwrap();
}

/// What `qemu-img` reads from an image, as the bytes of a raw disk.
fn read_by_qemu(format: &str, image: &Path) -> Vec<u8> {
    let out = image.with_extension("read");
    run(
        Tool::QemuImg,
        [
            "convert",
            "-f",
            format,
            "-O",
            "raw",
            text(image),
            text(&out),
        ],
    );
    std::fs::read(out).unwrap()
}

#[test]
fn a_vhd_is_the_disk_and_a_footer_that_qemu_understands() {
    let dir = tempfile::tempdir().unwrap();
    let [disk, vhd] = ["disk.raw", "disk.vhd"].map(|name| dir.path().join(name));
    raw(&disk, 9 * MIB);
    formats::vhd(&disk, &vhd).unwrap();
    assert_eq!(vhd.metadata().unwrap().len() as usize, 9 * MIB + 512);
    assert!(std::fs::read(&vhd).unwrap()[..9 * MIB] == std::fs::read(&disk).unwrap());
    assert!(read_by_qemu("vpc", &vhd) == std::fs::read(&disk).unwrap());
    let footer = std::fs::read(&vhd).unwrap().split_off(9 * MIB);
    let sizes = [40, 48].map(|at| u64::from_be_bytes(footer[at..at + 8].try_into().unwrap()));
    assert_eq!(sizes, [9 * MIB as u64; 2]);
}

#[test]
fn a_vhd_is_a_whole_number_of_mebibytes() {
    let dir = tempfile::tempdir().unwrap();
    let [disk, vhd] = ["disk.raw", "disk.vhd"].map(|name| dir.path().join(name));
    raw(&disk, 2 * MIB + 512);
    formats::vhd(&disk, &vhd).unwrap();
    let mut wanted = std::fs::read(&disk).unwrap();
    wanted.resize(3 * MIB, 0);
    assert!(read_by_qemu("vpc", &vhd) == wanted);
}

#[test]
fn a_qcow2_holds_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let [disk, qcow2] = ["disk.raw", "disk.qcow2"].map(|name| dir.path().join(name));
    raw(&disk, 9 * MIB);
    formats::qcow2(&disk, &qcow2, &Tools::host()).unwrap();
    run(Tool::QemuImg, ["check", text(&qcow2)]);
    assert!(read_by_qemu("qcow2", &qcow2) == std::fs::read(&disk).unwrap());
    assert!(qcow2.metadata().unwrap().len() < 2 * MIB as u64);
}

#[test]
fn a_second_conversion_gives_the_same_bytes_over_an_older_file() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk.raw");
    let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
    raw(&disk, 300 * MIB);
    acl_host::file::scratch(&second, &vec![0xff; 10 * MIB]).unwrap();
    let read = |path: &Path| std::fs::read(path).unwrap();
    for out in [&first, &second] {
        formats::qcow2(&disk, out, &Tools::host()).unwrap();
    }
    assert!(read(&first) == read(&second));
    for out in [&first, &second] {
        formats::vhd(&disk, out).unwrap();
    }
    assert!(read(&first) == read(&second));
}

#[test]
fn a_missing_disk_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk.raw");
    let error = formats::vhd(&disk, &dir.path().join("disk.vhd")).unwrap_err();
    assert_eq!(
        acl_host::error::chain(&error),
        format!(
            "cannot read {}: No such file or directory (os error 2)",
            disk.display()
        )
    );
}
