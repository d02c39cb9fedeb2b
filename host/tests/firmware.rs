//! Variables of the firmware, as efivarfs shows them.

use std::fs::{create_dir_all, write};

use acl_host::Error;
use acl_host::efi::Efi;

const SECURE_BOOT: &str = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SELECTED: &str = "LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
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
fn secure_boot() {
    for (value, expected) in [([6, 0, 0, 0, 1], true), ([6, 0, 0, 0, 0], false)] {
        let (efi, _root) = with(SECURE_BOOT, &value);
        assert_eq!(efi.secure_boot().unwrap(), expected);
    }
    for value in [vec![6, 0, 0, 0], vec![1], vec![6, 0, 0, 0, 1, 1]] {
        let (efi, _root) = with(SECURE_BOOT, &value);
        let error = efi.secure_boot().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the firmware variable SecureBoot is malformed"
        );
    }
}

#[test]
fn the_entry_that_was_booted() {
    let (efi, _root) = with(SELECTED, &utf16("acl_2.0.0.efi\0"));
    assert_eq!(
        efi.entry_selected().unwrap().as_deref(),
        Some("acl_2.0.0.efi")
    );
    assert_eq!(efi.boot_count_path().unwrap(), None);
    let (efi, _root) = with(COUNT_PATH, &utf16("\\EFI\\Linux\\acl_2+2-1.efi"));
    assert_eq!(
        efi.boot_count_path().unwrap().as_deref(),
        Some("\\EFI\\Linux\\acl_2+2-1.efi")
    );
}

#[test]
fn malformed_text() {
    for value in [[6, 0, 0, 0, 65].as_slice(), &[6, 0, 0, 0, 0, 0xd8]] {
        let (efi, _root) = with(SELECTED, value);
        let error = efi.entry_selected().unwrap_err();
        assert!(matches!(
            error,
            Error::EfiVariable {
                name: "LoaderEntrySelected"
            }
        ));
    }
}

#[test]
fn a_machine_without_efi() {
    let root = tempfile::tempdir().unwrap();
    let efi = Efi::new(root.path());
    assert!(!efi.secure_boot().unwrap());
    assert_eq!(efi.entry_selected().unwrap(), None);
    assert_eq!(efi.boot_count_path().unwrap(), None);
}
