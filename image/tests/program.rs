//! A small EFI program to work on, and what several tests need.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use acl_host::tool::{Tool, Tools};
use acl_image::keys::{self, Keys};
use jiff::Timestamp;

/// Where the headers end: room for a dozen sections.
const HEADERS_LEN: usize = 0x400;

/// A PE32+ program: headers of 1 KiB, `.text` at 0x1000 and `.sbat` at 0x2000, 512 bytes each.
pub(crate) fn program() -> Vec<u8> {
    let mut bytes = vec![0; HEADERS_LEN];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"MZ");
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0");
    put(0x84, &0x8664_u16.to_le_bytes()); // x86-64
    put(0x86, &2_u16.to_le_bytes()); // sections
    put(0x94, &240_u16.to_le_bytes()); // optional header
    put(0x96, &0x22e_u16.to_le_bytes());
    let optional = 0x98;
    put(optional, &0x20b_u16.to_le_bytes());
    put(optional + 8, &0x200_u32.to_le_bytes()); // initialized data
    put(optional + 16, &0x1000_u32.to_le_bytes()); // entry point
    put(optional + 32, &0x1000_u32.to_le_bytes()); // section alignment
    put(optional + 36, &0x200_u32.to_le_bytes()); // file alignment
    put(optional + 56, &0x3000_u32.to_le_bytes()); // image
    put(optional + 60, &(HEADERS_LEN as u32).to_le_bytes());
    put(optional + 68, &10_u16.to_le_bytes()); // EFI application
    put(optional + 70, &0x160_u16.to_le_bytes()); // NX-compatible among others
    put(optional + 108, &16_u32.to_le_bytes()); // directories
    for (index, name, flags) in [
        (0, b".text\0\0\0", 0x6000_0020_u32),
        (1, b".sbat\0\0\0", 0x4000_0040),
    ] {
        let at = optional + 240 + 40 * index;
        put(at, name);
        put(at + 8, &0x200_u32.to_le_bytes());
        put(at + 12, &(0x1000 * (index as u32 + 1)).to_le_bytes());
        put(at + 16, &0x200_u32.to_le_bytes());
        put(at + 20, &(0x400 + 0x200 * index as u32).to_le_bytes());
        put(at + 36, &flags.to_le_bytes());
    }
    bytes.extend([0xc3; 0x200]);
    bytes.extend(b"sbat,1,old\nstub,1,Stub\n");
    bytes.resize(0x800, 0);
    bytes
}

/// A set of keys that all tests of this run share; making RSA keys takes a while.
pub(crate) fn keys() -> &'static (PathBuf, Keys) {
    static KEYS: LazyLock<(PathBuf, Keys)> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap().keep();
        let keys = keys::init(&dir, now()).unwrap();
        (dir, keys)
    });
    &KEYS
}

/// A fixed time at which the tests' certificates are valid.
pub(crate) fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

/// Runs a program of this machine; its output as text. Fails the test, with the Debian package to install, when the
/// program is missing.
pub(crate) fn run<'a>(tool: Tool, args: impl IntoIterator<Item = &'a str>) -> String {
    match Tools::host().command(tool).args(args).run() {
        Ok(output) => String::from_utf8(output).unwrap(),
        Err(error) => panic!("{}", acl_host::error::chain(&error)),
    }
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
