use std::io::Read;
use std::path::Path;

use acl_host::tool::Tool;
use acl_image::step::esp::{self, Content};

use crate::program::{run, text};

const MIB: u64 = 1024 * 1024;

fn content(uki: &[u8]) -> Content<'_> {
    Content {
        boot_loader: b"systemd-boot",
        entry: "acl_1.0.0+3.efi",
        uki,
    }
}

fn read(image: &Path, path: &str) -> Vec<u8> {
    let disk = std::fs::File::options()
        .read(true)
        .write(true)
        .open(image)
        .unwrap();
    let file_system = fatfs::FileSystem::new(disk, fatfs::FsOptions::new()).unwrap();
    let mut bytes = Vec::new();
    file_system
        .root_dir()
        .open_file(path)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

#[test]
fn firmware_and_boot_loader_find_what_they_look_for() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("esp");
    let uki: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    esp::build(&image, 512 * MIB, content(&uki)).unwrap();
    let report = run(Tool::FsckVfat, ["-n", "-v", text(&image)]);
    let complaints = ["uninitialized", "wrong", "bad", "Expected"];
    assert!(
        !complaints
            .iter()
            .any(|complaint| report.contains(complaint)),
        "{report}"
    );
    assert_eq!(read(&image, "EFI/BOOT/BOOTX64.EFI"), b"systemd-boot");
    assert_eq!(
        read(&image, "EFI/systemd/systemd-bootx64.efi"),
        b"systemd-boot"
    );
    assert_eq!(
        read(&image, "loader/loader.conf"),
        b"timeout 0\neditor no\nsecure-boot-enroll off\n"
    );
    assert_eq!(read(&image, "loader/entries.srel"), b"type1\n");
    assert!(read(&image, "EFI/Linux/acl_1.0.0+3.efi") == uki);
}

#[test]
fn the_image_is_sparse() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("esp");
    esp::build(&image, 512 * MIB, content(b"uki")).unwrap();
    let metadata = image.metadata().unwrap();
    assert_eq!(metadata.len(), 512 * MIB);
    assert!(
        metadata.blocks() * 512 < 4 * MIB,
        "{} blocks",
        metadata.blocks()
    );
}

#[test]
fn a_second_build_gives_the_same_bytes_over_an_older_file() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
    acl_host::file::scratch(&second, &vec![0xff; 70_000_000]).unwrap();
    esp::build(&first, 64 * MIB, content(b"uki")).unwrap();
    esp::build(&second, 64 * MIB, content(b"uki")).unwrap();
    run(Tool::FsckVfat, ["-n", "-v", text(&second)]);
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
}

#[test]
fn content_that_does_not_fit_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("esp");
    let error = esp::build(&image, 40 * MIB, content(&vec![1; 41 << 20])).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot write the image {}", image.display())
    );
}
