//! Variables of the boot loader, as efivarfs shows them.

use std::fs::{create_dir_all, write};

use acl_host::efi::Efi;

const COUNT_PATH: &str = "LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

fn with(name: &str, value: &[u8]) -> (Efi, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("sys/firmware/efi/efivars");
    create_dir_all(&directory).unwrap();
    write(directory.join(name), value).unwrap();
    (Efi::new(root.path()), root)
}

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [6, 0, 0, 0].into_iter().chain(units).collect()
}

#[test]
fn the_entry_on_trial() {
    let (efi, _root) = with(COUNT_PATH, &utf16("\\EFI\\Linux\\acl_2+2-1.efi\0"));
    assert_eq!(
        efi.boot_count_path().unwrap().as_deref(),
        Some("\\EFI\\Linux\\acl_2+2-1.efi")
    );
    let (efi, _root) = with("LoaderTimeInitUSec", &utf16("1"));
    assert_eq!(efi.boot_count_path().unwrap(), None);
}

#[test]
fn a_malformed_variable() {
    for value in [[6, 0].as_slice(), &[6, 0, 0, 0, 65], &[6, 0, 0, 0, 0, 0xd8]] {
        let (efi, _root) = with(COUNT_PATH, value);
        let error = efi.boot_count_path().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the firmware variable LoaderBootCountPath is malformed"
        );
    }
}

#[test]
fn a_machine_without_efi() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(Efi::new(root.path()).boot_count_path().unwrap(), None);
}
