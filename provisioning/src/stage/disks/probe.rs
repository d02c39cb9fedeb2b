//! What is on a device already.

use acl_host::Tool;
use acl_host::disk::Disk;

use super::device::Device;
use super::machine::{Line, Machine};
use crate::{Error, Result};

/// What a device holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing that is known.
    Blank,
    /// One file system, swap space, RAID member or encrypted volume.
    Content(Content),
    /// A partition table and nothing else: its kind (`gpt`, `dos`).
    Table(String),
    /// Signatures that contradict each other.
    Several,
}

/// What a superblock says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Its kind as libblkid calls it: `ext4`, `crypto_LUKS`, `linux_raid_member`.
    pub kind: String,
    /// The version of the format; LUKS has `1` and `2`.
    pub version: String,
    /// Its label, empty for none.
    pub label: String,
    /// Its UUID, empty for none.
    pub uuid: String,
}

/// `blkid` found nothing.
const NOTHING: i32 = 2;
/// `blkid` found several contradicting signatures.
const SEVERAL: i32 = 8;

/// Asks `blkid` to look at the device itself and at no cache.
///
/// # Errors
/// [`Error::Host`] when the device cannot be read, [`Error::Prepare`] when `blkid` fails.
pub fn probe(device: &Device, machine: &Machine) -> Result<Found> {
    // To blkid, a device that cannot be opened is a device with nothing on it.
    Disk::open_read_only(&device.path)?;
    let line = Line::new(Tool::Blkid, ["--probe", "--output", "udev", &device.arg()]);
    match machine.programs.run(&line, None) {
        Ok(output) => Ok(parse(&String::from_utf8_lossy(&output))),
        Err(acl_host::Error::RunTool { status, .. }) if status.code() == Some(NOTHING) => {
            Ok(Found::Blank)
        }
        Err(acl_host::Error::RunTool { status, .. }) if status.code() == Some(SEVERAL) => {
            Ok(Found::Several)
        }
        Err(source) => Err(Error::Prepare {
            action: "look for file systems on".to_owned(),
            name: device.name.clone(),
            source,
        }),
    }
}

/// Reads what `blkid --probe --output udev` prints: lines of `KEY=value`. Of its formats only this one tells every label
/// exactly, in the keys that end in `_ENC`.
pub fn parse(output: &str) -> Found {
    let value = |key: &str| {
        let mut lines = output.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        decoded(value.unwrap_or_default())
    };
    match (value("ID_FS_TYPE"), value("ID_PART_TABLE_TYPE")) {
        (kind, table) if kind.is_empty() && table.is_empty() => Found::Blank,
        (kind, table) if kind.is_empty() => Found::Table(table),
        (kind, _) => Found::Content(Content {
            kind,
            version: value("ID_FS_VERSION"),
            label: value("ID_FS_LABEL_ENC"),
            uuid: value("ID_FS_UUID_ENC"),
        }),
    }
}

/// Undoes the encoding of udev: `\x20` is a byte.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend(before.bytes());
        let byte = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.extend(byte.map_or(b"\\x".to_vec(), |byte| vec![byte]));
        rest = after
            .get(if byte.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    bytes.extend(rest.bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Blank => f.write_str("nothing"),
            Self::Content(Content {
                kind, label, uuid, ..
            }) => {
                write!(f, "{kind}, label {label:?}, UUID {uuid:?}")
            }
            Self::Table(kind) => write!(f, "a partition table ({kind})"),
            Self::Several => f.write_str("signatures of several kinds"),
        }
    }
}
