//! `storage.luks`: encrypted volumes, opened as `/dev/mapper/<name>` (operator notes, "LUKS").
//!
//! Always LUKS2. A volume that is there is kept when the config describes exactly it and gives the key that opens it; one
//! that clevis is to unlock is never kept, since nobody can tell whether it was bound as the config says.

pub mod clevis;
pub mod keys;
pub mod persisted;
pub mod volume;

use acl_host::Tool;

use super::Done;
use super::device::{self, Device};
use super::machine::{Line, Machine};
use super::probe::{self, Content, Found};
use crate::config::clevis::is_present;
use crate::config::spec::{Clevis, Luks};
use crate::{Error, Result};
use keys::{KeyFile, Keys};
pub use persisted::{Persisted, persisted};
use volume::{Decision, Volume};

/// Makes or opens the volumes, one after the other. Their keys lie in [`keys::DIRECTORY`] when it returns, but for those
/// that were made only to hand them to clevis.
///
/// # Errors
/// [`Error::Luks`] for what is refused, [`Error::Device`] before any volume is made, [`Error::Prepare`].
pub fn apply(volumes: &[Luks], keys: &Keys, machine: &Machine) -> Result<Vec<Done>> {
    for wanted in volumes {
        volume::check(wanted)?;
    }
    let names = volumes
        .iter()
        .map(|wanted| wanted.device.as_deref().unwrap_or_default());
    let devices = device::wait(names, machine)?;
    let mut done = Vec::new();
    for (wanted, device) in volumes.iter().zip(&devices) {
        let key = KeyFile::write(wanted, keys, machine)?;
        done.push(make(wanted, device, &key, machine)?);
        device.settle(machine)?;
    }
    Ok(done)
}

fn make(wanted: &Luks, device: &Device, key: &KeyFile, machine: &Machine) -> Result<Done> {
    let found = look(wanted, device, machine)?;
    let decision = volume::decide(wanted, &found)?;
    for line in volume::lines(wanted, device, key, &decision)? {
        machine.run("prepare the LUKS volume", &wanted.name, &line)?;
    }
    if key.generated && present(wanted).is_some() {
        // No key opens the volume that is not clevis's, so there is none to keep.
        acl_host::file::remove(&key.path)?;
    }
    let what = match decision {
        Decision::Open => "is there already, opened",
        Decision::Format { .. } => "made and opened",
    };
    Ok(Done::new(&wanted.name, what))
}

/// The volume's clevis, where it is one: `"clevis": {}` and `"tpm2": false` bind it to nothing, and are as if not written
/// (Ignition's `Clevis.IsPresent`: a custom pin, tang servers, a TPM, or a threshold).
fn present(wanted: &Luks) -> Option<&Clevis> {
    let clevis = wanted.clevis.as_ref();
    clevis.filter(|clevis| is_present(clevis))
}

/// What is on the device, as far as it matters.
fn look(wanted: &Luks, device: &Device, machine: &Machine) -> Result<Volume> {
    if wanted.wipe_volume == Some(true) {
        return Ok(Volume::Whatever);
    }
    let found = probe::probe(device, machine)?;
    if found == Found::Blank {
        return Ok(Volume::Blank);
    }
    let is_luks2 = |content: &Content| content.kind == "crypto_LUKS" && content.version == "2";
    let Some(content) = found.find(is_luks2) else {
        return Ok(Volume::Other(found.to_string()));
    };
    let dump = ["luksDump", "--dump-json-metadata", &device.arg()];
    let dump = machine.run(
        "prepare the LUKS volume",
        &wanted.name,
        &Line::new(Tool::Cryptsetup, dump),
    )?;
    let discards = volume::allows_discards(&dump).ok_or_else(|| Error::Luks {
        name: wanted.name.clone(),
        reason: format!("the metadata of {} cannot be read", device.name),
    })?;
    Ok(Volume::Luks2 {
        label: content.label.clone(),
        uuid: content.uuid.clone(),
        discards,
    })
}
