//! Entries that stand for the same thing twice: nobody could say which one counts.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use crate::config::Path;
use crate::config::report::Findings;

/// Adds an error at each entry whose key another entry had before. `what` names the key: "the device", "the name".
pub(super) fn check<K: Eq + Hash + Display>(
    what: &str,
    entries: impl IntoIterator<Item = (Path, K)>,
    findings: &mut Findings,
) {
    let mut first: HashMap<K, Path> = HashMap::new();
    for (path, key) in entries {
        match first.get(&key) {
            Some(before) => findings.error(
                path,
                format!("{what} {key} stands at {before} already; keep one of them"),
            ),
            None => {
                first.insert(key, path);
            }
        }
    }
}
