//! The few environment variables that are read at all.

use std::ffi::OsString;

/// The value of the environment variable `name`; `None` when it is unset or empty.
///
/// For what other programs hand over in this way (`CREDENTIALS_DIRECTORY` of systemd, `CARGO_MANIFEST_DIR` of cargo).
/// Settings of ACL's own are arguments or files.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
