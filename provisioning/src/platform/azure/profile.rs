//! What Azure says about a machine, as the Ignition config that WALinuxAgent's work would be.
//!
//! Pure: both documents in, a config out. WALinuxAgent (pa/provision/default.py) sets the host name, makes the
//! administrator with password and keys, gives it the rights of an administrator and tells sshd whether passwords
//! count. Where IMDS and `ovf-env.xml` differ IMDS counts, as in Ignition and cloud-init: it knows of changes made
//! after the medium was written. Keys of both are put together.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::crypt;
use super::imds::Instance;
use super::ovf::Provisioning;
use crate::config::spec;
use crate::{Error, Result};

/// Who is in it is an administrator (polkit, sudo).
const GROUP: &str = "sudo";

/// The config; empty when Azure says nothing. `salt` is for the password's hash.
///
/// # Errors
/// [`Error::AzureProfile`] for a name or a key that cannot be set.
pub fn config(
    instance: Option<&Instance>,
    provisioning: Option<&Provisioning>,
    salt: &str,
) -> Result<spec::Config> {
    let mut config = spec::Config::new(spec::Ignition::new("3.6.0".to_owned()));
    let mut files = Vec::new();
    if let Some(name) = host_name(instance, provisioning)? {
        files.push(file("/etc/hostname", &format!("{name}\n")));
    }
    let keys = keys(instance, provisioning)?;
    if let Some(name) = user_name(instance, provisioning)? {
        let password = password(provisioning, salt);
        if password.is_some() && !password_disabled(instance, provisioning) {
            // The image's own sshd_config says no, and reads this first.
            let path = "/etc/ssh/sshd_config.d/50-azure.conf";
            files.push(file(path, "PasswordAuthentication yes\n"));
        }
        config.passwd = Some(spec::Passwd {
            groups: None,
            users: Some(vec![administrator(name, keys, password)]),
        });
    } else if !keys.is_empty() {
        let found = "none, although there are keys".to_owned();
        return Err(profile("administrator's name", found));
    }
    if !files.is_empty() {
        config.storage = Some(spec::Storage {
            files: Some(files),
            ..spec::Storage::default()
        });
    }
    Ok(config)
}

fn administrator(name: String, keys: Vec<String>, password: Option<String>) -> spec::User {
    spec::User {
        groups: Some(vec![GROUP.to_owned()]),
        password_hash: password,
        shell: Some("/bin/bash".to_owned()),
        ssh_authorized_keys: Some(keys).filter(|keys| !keys.is_empty()),
        ..spec::User::new(name)
    }
}

fn file(path: &str, contents: &str) -> spec::File {
    spec::File {
        contents: Some(spec::Resource {
            source: Some(format!("data:;base64,{}", BASE64_STANDARD.encode(contents))),
            ..spec::Resource::default()
        }),
        mode: Some(0o644),
        overwrite: Some(true),
        ..spec::File::new(path.to_owned())
    }
}

/// The host name: letters, digits, `-` and `.`, at most 64 (hostname(5)).
fn host_name(
    instance: Option<&Instance>,
    provisioning: Option<&Provisioning>,
) -> Result<Option<String>> {
    let name = instance
        .and_then(|instance| instance.host_name.clone())
        .or_else(|| provisioning?.host_name.clone());
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    checked("host name", name, |name| {
        name.len() <= 64 && name.chars().all(allowed) && !name.starts_with(['-', '.'])
    })
}

/// The administrator's name, as useradd takes it.
fn user_name(
    instance: Option<&Instance>,
    provisioning: Option<&Provisioning>,
) -> Result<Option<String>> {
    let name = instance
        .and_then(|instance| instance.user_name.clone())
        .or_else(|| provisioning?.user_name.clone());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    checked("administrator's name", name, |name| {
        let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
        name.len() <= 32 && name.starts_with(begins) && name.chars().all(allowed)
    })
}

fn checked(
    what: &'static str,
    name: Option<String>,
    fits: impl Fn(&str) -> bool,
) -> Result<Option<String>> {
    match name {
        Some(name) if !fits(&name) => Err(profile(what, name)),
        name => Ok(name),
    }
}

/// The keys of both documents, each once, in the order they come.
fn keys(instance: Option<&Instance>, provisioning: Option<&Provisioning>) -> Result<Vec<String>> {
    let of_instance = instance.map(|instance| instance.keys.as_slice());
    let of_medium = provisioning.map(|provisioning| provisioning.keys.as_slice());
    let values = of_medium.unwrap_or_default().iter().filter_map(|key| {
        if key.value.is_none() {
            let fingerprint = key.fingerprint.as_deref();
            tracing::warn!(
                fingerprint,
                "an SSH key is left out: Azure gives it as a certificate only"
            );
        }
        key.value.as_ref()
    });
    let mut keys = Vec::new();
    for key in of_instance.unwrap_or_default().iter().chain(values) {
        let key = key.trim();
        // A second line would be another entry of authorized_keys, or the middle of a key in the format of RFC 4716.
        if key.contains(char::is_control) {
            return Err(profile("SSH key (which must be one line)", key.to_owned()));
        }
        if !key.is_empty() && !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    Ok(keys)
}

/// The hash of the administrator's password; one that is a hash already is left as it is.
fn password(provisioning: Option<&Provisioning>, salt: &str) -> Option<String> {
    let password = &provisioning?.password.as_ref()?.0;
    let hashed = ["$6$", "$5$", "$y$", "$2b$"];
    Some(match hashed.iter().any(|id| password.starts_with(id)) {
        true => password.clone(),
        false => crypt::hash(password, salt),
    })
}

fn password_disabled(instance: Option<&Instance>, provisioning: Option<&Provisioning>) -> bool {
    instance
        .and_then(|instance| instance.password_disabled)
        .or_else(|| Some(provisioning?.password_disabled))
        .unwrap_or(true)
}

const fn profile(what: &'static str, found: String) -> Error {
    Error::AzureProfile { what, found }
}
