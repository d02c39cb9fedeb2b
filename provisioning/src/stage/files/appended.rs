//! What was appended to which file, so that a second run does not append it again.
//!
//! A file that only gets something appended does not show whether it has. One line for each file is kept on the root:
//! the digest of the whole file after it, the digest of what was appended, and the path. It is written before the file
//! is: after a power cut between the two, the file does not have the digest, and is appended to.

use std::path::Path;

use crate::Result;
use crate::root::Root;

/// Where it is kept.
const LIST: &str = "/var/lib/acl/provision/appended";

/// Whether a file with the digest `now` already ends with the pieces of that digest, because an earlier run put them there.
pub(super) fn noted(root: &Root, path: &Path, now: &[u8], pieces: &[u8]) -> Result<bool> {
    let line = line(path, now, pieces);
    let list = root.read_to_string(LIST)?.unwrap_or_default();
    Ok(list.lines().any(|noted| noted == line))
}

/// Notes that a file has the digest `after` once the pieces of that digest are appended.
pub(super) fn note(root: &Root, path: &Path, after: &[u8], pieces: &[u8]) -> Result<()> {
    let new = line(path, after, pieces);
    let mut list = root.read_to_string(LIST)?.unwrap_or_default();
    if list.lines().any(|noted| noted == new) {
        return Ok(());
    }
    list.push_str(&new);
    list.push('\n');
    root.write(LIST, list.as_bytes(), 0o600)
}

fn line(path: &Path, file: &[u8], pieces: &[u8]) -> String {
    // Debug: a path may hold a line break.
    format!("{} {} {path:?}", hex::encode(file), hex::encode(pieces))
}
