//! What is done with a device that is to hold an encrypted volume.

use acl_host::Tool;
use serde::Deserialize;

use super::clevis;
use super::keys::KeyFile;
use super::present;
use crate::config::spec::Luks;
use crate::stage::disks::device::Device;
use crate::stage::disks::filesystems::wipe;
use crate::stage::disks::machine::Line;
use crate::{Error, Result};

/// What is on a device, as far as it matters for a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volume {
    /// The config allows to erase it.
    Whatever,
    /// Nothing.
    Blank,
    /// A volume of LUKS2.
    Luks2 {
        /// Its label, empty for none.
        label: String,
        /// Its UUID.
        uuid: String,
        /// Whether it says that discards are allowed.
        discards: bool,
    },
    /// Something else.
    Other(String),
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The volume that is there is opened.
    Open,
    /// A new one is made and opened.
    Format {
        /// Whether what is there is erased first.
        wipe: bool,
    },
}

/// Refuses what can be refused without a look at the machine.
///
/// # Errors
/// [`Error::Luks`].
pub fn check(wanted: &Luks) -> Result<()> {
    if wanted
        .cex
        .as_ref()
        .is_some_and(|cex| cex.enabled == Some(true))
    {
        return Err(refused(
            wanted,
            "cex needs an IBM Crypto Express card (s390x), and ACL runs on x86-64",
        ));
    }
    // The name becomes a file's, in /run, /dev/mapper and /etc/luks.
    if wanted.name.is_empty()
        || wanted.name.contains(['/', '\0', ' ', '\t', '\n'])
        || wanted.name.starts_with(['.', '-'])
    {
        return Err(refused(wanted, "its name cannot be the name of a file"));
    }
    if wanted.device.as_deref().is_none_or(str::is_empty) {
        return Err(refused(wanted, "it has no device"));
    }
    clevis::bound(wanted).map(|_| ())
}

/// What is to be done, from what is wanted and what is there.
///
/// # Errors
/// [`Error::Luks`] for a volume that is not what is wanted, or for something else on the device.
pub fn decide(wanted: &Luks, there: &Volume) -> Result<Decision> {
    match there {
        Volume::Whatever => Ok(Decision::Format { wipe: true }),
        Volume::Blank => Ok(Decision::Format { wipe: false }),
        Volume::Luks2 { .. } => match obstacle(wanted, there) {
            None => Ok(Decision::Open),
            Some(why) => Err(not_kept(wanted, &why)),
        },
        Volume::Other(what) => Err(occupied(wanted, what)),
    }
}

/// Why a volume that is there is not the wanted one.
fn obstacle(wanted: &Luks, there: &Volume) -> Option<String> {
    let Volume::Luks2 {
        label,
        uuid,
        discards,
    } = there
    else {
        return None;
    };
    let has_key = wanted
        .key_file
        .as_ref()
        .and_then(|key| key.source.as_deref());
    let discard = wanted.discard == Some(true);
    if present(wanted).is_some() {
        Some("the config binds it with clevis".to_owned())
    } else if has_key.is_none_or(str::is_empty) {
        Some("the config has no keyFile that could open it".to_owned())
    } else if let Some(other) = wanted.label.as_ref().filter(|other| *other != label) {
        Some(format!(
            "its label is {label:?}, and the config asks for {other:?}"
        ))
    } else if let Some(other) = wanted
        .uuid
        .as_ref()
        .filter(|other| !other.eq_ignore_ascii_case(uuid))
    {
        Some(format!(
            "its UUID is {uuid}, and the config asks for {other}"
        ))
    } else if discard != *discards {
        Some(format!(
            "its discard is {discards}, and the config asks for {discard}"
        ))
    } else {
        None
    }
}

/// The programs that carry out a decision, in order.
///
/// # Errors
/// [`Error::Luks`] for a clevis configuration that cannot be written.
pub fn lines(
    wanted: &Luks,
    device: &Device,
    key: &KeyFile,
    decision: &Decision,
) -> Result<Vec<Line>> {
    let Decision::Format { wipe: erase } = decision else {
        return Ok(vec![open(wanted, device, key)]);
    };
    let mut lines = Vec::new();
    if *erase {
        lines.push(wipe(device));
    }
    lines.push(format(wanted, device, key));
    lines.push(open(wanted, device, key));
    if let Some(bound) = clevis::bound(wanted)? {
        lines.extend(clevis::lines(wanted, &bound, device, key));
    }
    Ok(lines)
}

fn format(wanted: &Luks, device: &Device, key: &KeyFile) -> Line {
    let key = key.arg();
    let mut line = Line::new(
        Tool::Cryptsetup,
        ["luksFormat", "--type", "luks2", "--key-file", &key],
    );
    for (option, value) in [("--label", &wanted.label), ("--uuid", &wanted.uuid)] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            line.args.extend([option.to_owned(), value.clone()]);
        }
    }
    line.args.extend(wanted.options.iter().flatten().cloned());
    line.args.push(device.arg());
    line
}

/// The options are stored in the volume: clevis opens it without any, and so does whoever opens it later.
fn open(wanted: &Luks, device: &Device, key: &KeyFile) -> Line {
    let (device, key) = (device.arg(), key.arg());
    let mut line = Line::new(
        Tool::Cryptsetup,
        [
            "luksOpen",
            &device,
            &wanted.name,
            "--key-file",
            &key,
            "--persistent",
        ],
    );
    if wanted.discard == Some(true) {
        line.args.push("--allow-discards".to_owned());
    }
    line.args
        .extend(wanted.open_options.iter().flatten().cloned());
    line
}

/// Whether the metadata of a volume (`cryptsetup luksDump --dump-json-metadata`) allow discards; `None` when they cannot
/// be read.
pub fn allows_discards(dump: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Metadata {
        config: Flags,
    }
    #[derive(Deserialize)]
    struct Flags {
        #[serde(default)]
        flags: Vec<String>,
    }
    let metadata: Metadata = serde_json::from_slice(dump).ok()?;
    Some(
        metadata
            .config
            .flags
            .iter()
            .any(|flag| flag == "allow-discards"),
    )
}

pub(super) fn refused(wanted: &Luks, reason: &str) -> Error {
    Error::Luks {
        name: wanted.name.clone(),
        reason: reason.to_owned(),
    }
}

/// A volume whose key was made here, or removed for clevis, cannot be told from a foreign one by the next first boot.
fn not_kept(wanted: &Luks, why: &str) -> Error {
    let device = wanted.device.as_deref().unwrap_or_default();
    refused(
        wanted,
        &format!(
            "{device} holds a LUKS volume that cannot be kept: {why}; it may come from a first boot that failed: \
             wipeVolume: true makes it anew, and all data in it is lost; or name another device"
        ),
    )
}

fn occupied(wanted: &Luks, what: &str) -> Error {
    let device = wanted.device.as_deref().unwrap_or_default();
    refused(
        wanted,
        &format!(
            "{device} holds {what}; allow it to be erased by wipeVolume, or name another device"
        ),
    )
}
