//! What LUKS leaves in the new root: key files in `/etc/luks`, and `/etc/crypttab`, which systemd opens the volumes by.
//!
//! The stage that writes files asks for it; it knows the root, and this module does not.

use acl_host::{Tool, file};

use super::keys::{self, DIRECTORY};
use super::present;
use super::volume::refused;
use crate::Result;
use crate::config::spec::Luks;
use crate::stage::disks::device;
use crate::stage::disks::machine::{Line, Machine};

/// The directory of the key files in the new root, mode 0700.
pub const KEY_DIRECTORY: &str = "/etc/luks";
/// The list of volumes in the new root, mode 0600.
pub const CRYPTTAB: &str = "/etc/crypttab";

/// What is to be in the new root.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Persisted {
    /// Key files below [`KEY_DIRECTORY`], by name, mode 0600.
    pub keys: Vec<(String, Vec<u8>)>,
    /// Lines to append to [`CRYPTTAB`].
    pub crypttab: String,
}

impl std::fmt::Debug for Persisted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.keys.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Persisted")
            .field("keys", &names)
            .field("crypttab", &self.crypttab)
            .finish()
    }
}

/// Collects it, after [`super::apply`] and in the same boot. `is_kept` says whether the new root has the key of a volume
/// already: an earlier run of the stage put it there and forgot its own.
///
/// # Errors
/// [`crate::Error::Device`], [`crate::Error::Prepare`] and [`crate::Error::Luks`] when a volume does not tell its UUID,
/// [`crate::Error::Host`], and those of `is_kept`.
pub fn persisted(
    volumes: &[Luks],
    machine: &Machine,
    is_kept: &dyn Fn(&str) -> Result<bool>,
) -> Result<Persisted> {
    let names = volumes
        .iter()
        .map(|wanted| wanted.device.as_deref().unwrap_or_default());
    let devices = device::wait(names, machine)?;
    let mut persisted = Persisted::default();
    for (wanted, device) in volumes.iter().zip(devices) {
        let line = Line::new(Tool::Cryptsetup, ["luksUUID", &device.arg()]);
        let uuid = machine.run("prepare the LUKS volume", &wanted.name, &line)?;
        let key = machine.path(DIRECTORY).join(&wanted.name);
        let fresh = file::exists(&key)?;
        if fresh {
            persisted
                .keys
                .push((wanted.name.clone(), file::read(&key)?));
        }
        let kept = fresh || (has_key(wanted) && is_kept(&wanted.name)?);
        let uuid = String::from_utf8_lossy(&uuid);
        if uuid.trim().is_empty() {
            // A line of crypttab without it would name no device.
            let reason = format!("cryptsetup luksUUID names no UUID of {}", device.name);
            return Err(refused(wanted, &reason));
        }
        persisted
            .crypttab
            .push_str(&crypttab_line(wanted, uuid.trim(), kept));
    }
    Ok(persisted)
}

/// Forgets the keys of this boot, once they are in the new root.
///
/// # Errors
/// [`crate::Error::Host`].
pub fn forget(machine: &Machine) -> Result<()> {
    let path = machine.path(DIRECTORY);
    match std::fs::remove_dir_all(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(acl_host::Error::RemoveFile { path, source }.into())
        }
        _ => Ok(()),
    }
}

/// Whether a key file opens the volume in the new system, and not clevis alone: a key in the new root is not of another
/// config then.
fn has_key(wanted: &Luks) -> bool {
    keys::given(wanted).is_some() || present(wanted).is_none()
}

/// A volume in `/etc/crypttab`; without a key, clevis or the operator unlocks it.
pub fn crypttab_line(wanted: &Luks, uuid: &str, has_key: bool) -> String {
    let name = &wanted.name;
    let key = match has_key {
        true => format!("{KEY_DIRECTORY}/{name}"),
        false => "none".to_owned(),
    };
    let network = if needs_network(wanted) {
        ",_netdev"
    } else {
        ""
    };
    format!("{name} UUID={uuid} {key} luks{network}\n")
}

fn needs_network(wanted: &Luks) -> bool {
    present(wanted).is_some_and(|clevis| {
        let custom = clevis.custom.as_ref();
        clevis.tang.as_ref().is_some_and(|tang| !tang.is_empty())
            || custom.is_some_and(|custom| custom.needs_network == Some(true))
    })
}
