//! Entries that stand for the same thing twice: nobody could say which one counts.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::hash::Hash;

use crate::config::Path;
use crate::config::report::Findings;
use crate::fetch::short;

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
                format!("{what} {key} is given at {before} already; keep one of them"),
            ),
            None => {
                first.insert(key, path);
            }
        }
    }
}

/// An address that is compared whole and shown without its secrets.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Address<'c>(pub(super) &'c str);

impl Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(self.0))
    }
}
