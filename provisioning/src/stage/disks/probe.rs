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
    /// Signatures that contradict each other, or that `wipefs` alone finds: one of each kind.
    Several(Vec<Content>),
}

impl Found {
    /// The first signature that `is_wanted`.
    pub(crate) fn find(&self, is_wanted: impl Fn(&Content) -> bool) -> Option<&Content> {
        match self {
            Self::Content(content) => Some(content).filter(|content| is_wanted(content)),
            Self::Several(all) => all.iter().find(|content| is_wanted(content)),
            Self::Blank | Self::Table(_) => None,
        }
    }

    /// The kinds of the signatures that contradict the one of `kind`, for messages; empty where nothing does.
    pub(crate) fn beside(&self, kind: &str) -> String {
        match self {
            Self::Several(all) => kinds(all.iter().filter(|content| content.kind != kind)),
            _ => String::new(),
        }
    }
}

fn kinds<'a>(contents: impl Iterator<Item = &'a Content>) -> String {
    let kinds: Vec<&str> = contents.map(|content| content.kind.as_str()).collect();
    kinds.join(", ")
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

/// `blkid` found nothing, or (2.41, which trixie has) signatures that contradict each other.
const NOTHING: i32 = 2;
/// `blkid` (before 2.41) found signatures that contradict each other.
const SEVERAL: i32 = 8;

/// Asks `blkid` to look at the device itself and at no cache, and where it names nothing, `wipefs`.
///
/// A device is blank only when both say so: `blkid` is silent about contradicting signatures (ext4 with labels that ZFS
/// left behind), and what is taken for blank is overwritten.
///
/// # Errors
/// [`Error::Host`] when the device cannot be read, [`Error::Prepare`] when one of the programs fails.
pub fn probe(device: &Device, machine: &Machine) -> Result<Found> {
    // To blkid, a device that cannot be opened is a device with nothing on it.
    Disk::open_read_only(&device.path)?;
    match blkid(device, None, machine)? {
        Found::Blank => signatures(device, machine),
        found => Ok(found),
    }
}

/// What `blkid` says, which is [`Found::Blank`] too where it is not sure; with a `kind`, looks for that alone.
fn blkid(device: &Device, kind: Option<&str>, machine: &Machine) -> Result<Found> {
    let mut line = Line::new(Tool::Blkid, ["--probe", "--output", "udev"]);
    let only = kind.map(|kind| ["--match-types".to_owned(), kind.to_owned()]);
    line.args.extend(only.into_iter().flatten());
    line.args.push(device.arg());
    match machine.programs.run(&line, None) {
        Ok(output) => Ok(parse(&String::from_utf8_lossy(&output))),
        Err(acl_host::Error::RunTool { status, .. })
            if matches!(status.code(), Some(NOTHING | SEVERAL)) =>
        {
            Ok(Found::Blank)
        }
        Err(source) => Err(failed(device, source)),
    }
}

/// Every kind of signature that `wipefs` lists, each with what `blkid` reads in it.
fn signatures(device: &Device, machine: &Machine) -> Result<Found> {
    let list = ["--parsable", "--output", "TYPE", &device.arg()];
    let list = machine.programs.run(&Line::new(Tool::Wipefs, list), None);
    let list = list.map_err(|source| failed(device, source))?;
    let mut contents: Vec<Content> = Vec::new();
    for kind in String::from_utf8_lossy(&list).lines().map(str::trim) {
        // ZFS has a hundred signatures, a partition table has two.
        let seen = contents.iter().any(|content| content.kind == kind);
        if seen || kind.is_empty() || kind.starts_with('#') {
            continue;
        }
        contents.push(match blkid(device, Some(kind), machine)? {
            Found::Content(content) if content.kind == kind => content,
            _ => Content {
                kind: kind.to_owned(),
                ..Content::default()
            },
        });
    }
    match contents.is_empty() {
        true => Ok(Found::Blank),
        false => Ok(Found::Several(contents)),
    }
}

fn failed(device: &Device, source: acl_host::Error) -> Error {
    Error::Prepare {
        action: "look for file systems on".to_owned(),
        name: device.name.clone(),
        source,
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
            Self::Several(all) => {
                write!(
                    f,
                    "signatures that contradict each other ({})",
                    kinds(all.iter())
                )
            }
        }
    }
}
