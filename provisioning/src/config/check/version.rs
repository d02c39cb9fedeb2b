//! What a version of the spec does not have yet, though a later one has it under the same key.
//!
//! A key that is not there yet is told where the document is read; a value is told here. The versions are those of
//! Ignition's release notes and of the documents `configuration-v3_*.md`.

use serde_json::Value;

use super::Findings;
use crate::config::translate::{PLAIN_MODE, SPECIAL_MODES};
use crate::config::{Path, Version};

/// `sha256-…` as a digest.
const SHA256: u8 = 1;
/// `gs:` as a scheme.
const GS: u8 = 2;
/// `none` as the format of a filesystem.
const NONE: u8 = 3;
/// `arn:` as a scheme.
const ARN: u8 = 4;

/// Looks at a config as it is written, before it is translated to the newest version.
pub(in crate::config) fn check(written: &Value, version: Version, findings: &mut Findings) {
    if version.minor() < SPECIAL_MODES {
        check_modes(written, findings);
    }
    if version.minor() < NONE {
        check_formats(written, findings);
    }
    if version.minor() < ARN {
        check_resources(written, &Path::root(), version, findings);
    }
}

fn check_modes(written: &Value, findings: &mut Findings) {
    for name in ["directories", "files"] {
        for (path, entry) in storage(written, name) {
            let mode = entry.get("mode").and_then(Value::as_i64);
            let special = mode.filter(|mode| (0..=0o7777).contains(mode) && *mode > PLAIN_MODE);
            if let Some(mode) = special {
                let message = format!(
                    "setuid, setgid and sticky bits exist from version 3.6.0 on and are left out: the mode becomes \
                     {:04o}; say version 3.6.0 to have {mode:04o}",
                    mode & PLAIN_MODE
                );
                findings.warning(path.field("mode"), message);
            }
        }
    }
}

fn check_formats(written: &Value, findings: &mut Findings) {
    for (path, entry) in storage(written, "filesystems") {
        if entry.get("format").and_then(Value::as_str) == Some("none") {
            findings.error(path.field("format"), from("the format \"none\"", NONE));
        }
    }
}

/// The entries of a list of `storage`.
fn storage<'v>(written: &'v Value, name: &str) -> impl Iterator<Item = (Path, &'v Value)> {
    let at = Path::root().field("storage").field(name);
    let list = written.pointer(&format!("/storage/{name}"));
    let entries = list.and_then(Value::as_array).into_iter().flatten();
    entries
        .enumerate()
        .map(move |(index, entry)| (at.item(index), entry))
}

/// Sources and digests, wherever something is fetched.
fn check_resources(value: &Value, at: &Path, version: Version, findings: &mut Findings) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let at = at.field(key);
                match value.as_str() {
                    Some(text) if key == "source" => check_source(text, at, version, findings),
                    Some(text) if key == "hash" => check_digest(text, at, version, findings),
                    _ => check_resources(value, &at, version, findings),
                }
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                check_resources(value, &at.item(index), version, findings);
            }
        }
        _ => {}
    }
}

fn check_source(source: &str, at: Path, version: Version, findings: &mut Findings) {
    let scheme = source.split_once(':').map_or("", |(scheme, _)| scheme);
    for (name, since) in [("arn", ARN), ("gs", GS)] {
        if scheme.eq_ignore_ascii_case(name) && version.minor() < since {
            return findings.error(at, from(&format!("the scheme {name:?}"), since));
        }
    }
}

fn check_digest(digest: &str, at: Path, version: Version, findings: &mut Findings) {
    if digest.starts_with("sha256-") && version.minor() < SHA256 {
        findings.error(at, from("the digest function \"sha256\"", SHA256));
    }
}

fn from(what: &str, minor: u8) -> String {
    format!("{what} exists from version 3.{minor}.0 on; say that version")
}
