//! Keys that are not known, or missing: what to write instead.
//!
//! Go's JSON reader, and so Ignition, takes a key in whatever capitals; other readers do not, and the spec has one form.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Path;
use super::report::Findings;

/// The keys of the spec 3.6.
const KNOWN: &[&str] = &[
    "advertisement",
    "append",
    "certificateAuthorities",
    "cex",
    "clevis",
    "compression",
    "config",
    "contents",
    "custom",
    "device",
    "devices",
    "directories",
    "discard",
    "disks",
    "dropins",
    "enabled",
    "files",
    "filesystems",
    "format",
    "gecos",
    "gid",
    "group",
    "groups",
    "guid",
    "hard",
    "hash",
    "homeDir",
    "httpHeaders",
    "httpProxy",
    "httpResponseHeaders",
    "httpTotal",
    "httpsProxy",
    "id",
    "ignition",
    "kernelArguments",
    "keyFile",
    "label",
    "level",
    "links",
    "luks",
    "mask",
    "merge",
    "mode",
    "mountOptions",
    "name",
    "needsNetwork",
    "noCreateHome",
    "noLogInit",
    "noProxy",
    "noUserGroup",
    "number",
    "openOptions",
    "options",
    "overwrite",
    "partitions",
    "passwd",
    "passwordHash",
    "path",
    "pin",
    "primaryGroup",
    "proxy",
    "raid",
    "replace",
    "resize",
    "security",
    "shell",
    "shouldExist",
    "shouldNotExist",
    "sizeMiB",
    "source",
    "spares",
    "sshAuthorizedKeys",
    "startMiB",
    "storage",
    "system",
    "systemd",
    "tang",
    "target",
    "threshold",
    "thumbprint",
    "timeouts",
    "tls",
    "tpm2",
    "typeGuid",
    "uid",
    "units",
    "url",
    "user",
    "users",
    "uuid",
    "value",
    "verification",
    "version",
    "wipeFilesystem",
    "wipePartitionEntry",
    "wipeTable",
    "wipeVolume",
];

/// Adds a warning for each key that the config's version does not know.
pub(super) fn tell_unknown(unknown: BTreeSet<Path>, findings: &mut Findings) {
    for path in unknown {
        let key = path.steps().last().unwrap_or_default();
        let message = match other_case(key) {
            Some(known) => in_other_case(known),
            None => "this key is not known to the config's version of the spec and does nothing"
                .to_owned(),
        };
        findings.key_warning(path, message);
    }
}

/// The key that stands in an object in the place of the one that is missing there, and what is wrong with it.
pub(super) fn misspelt(wanted: &str, object: Option<&Value>) -> Option<(String, String)> {
    let mut keys = object?.as_object()?.keys();
    let key = keys.find(|key| key.eq_ignore_ascii_case(wanted))?;
    Some((key.clone(), in_other_case(wanted)))
}

/// The key of the spec that is this one but for capitals.
fn other_case(key: &str) -> Option<&'static str> {
    let same = |known: &&&str| known.eq_ignore_ascii_case(key) && **known != key;
    KNOWN.iter().find(same).copied()
}

fn in_other_case(known: &str) -> String {
    format!("this key is not known and does nothing: capitals count; write {known:?}")
}
