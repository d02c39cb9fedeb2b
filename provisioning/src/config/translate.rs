//! From the version that a config is written in to the newest.
//!
//! Every 3.x version reads as the next one: what was there kept its name and its meaning. One exception: before 3.6 the
//! special mode bits mean nothing and are dropped (Ignition 2.22: they exist from 3.6 on). What only an older version takes,
//! such as null in `noProxy` before 3.4, is an error at its place.

use serde_json::Value;

use super::{Version, spec};

/// The permission bits that versions before 3.6 know.
pub(super) const PLAIN_MODE: i64 = 0o777;
/// The version that gives the special bits a meaning.
pub(super) const SPECIAL_MODES: u8 = 6;

/// Translates a config that was read as `version` and written out again.
pub(super) fn translate(
    mut written: Value,
    version: Version,
) -> Result<spec::Config, serde_path_to_error::Error<serde_json::Error>> {
    if let Some(text) = written.pointer_mut("/ignition/version") {
        *text = Value::String(Version::NEWEST.to_string());
    }
    if version.minor() < SPECIAL_MODES {
        for list in ["/storage/files", "/storage/directories"] {
            drop_special_bits(written.pointer_mut(list));
        }
    }
    serde_path_to_error::deserialize(written)
}

fn drop_special_bits(list: Option<&mut Value>) {
    let entries = list.and_then(Value::as_array_mut).into_iter().flatten();
    for mode in entries.filter_map(|entry| entry.get_mut("mode")) {
        // A mode that is out of range stays what it is, for the check to name it.
        if let Some(bits) = mode.as_i64().filter(|bits| (0..=0o7777).contains(bits)) {
            *mode = (bits & PLAIN_MODE).into();
        }
    }
}
