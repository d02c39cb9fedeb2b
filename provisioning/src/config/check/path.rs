//! Paths and devices.

use crate::config::Path;
use crate::config::report::Findings;

/// A path that something is made at or found at: absolute and clean, so without `..`, `.`, doubled slashes and one at the
/// end (Ignition's `validatePath`).
pub(super) fn check(text: &str, path: &Path, findings: &mut Findings) {
    if let Some(message) = wrong(text) {
        findings.error(path.clone(), message);
    }
}

/// A path that Ignition leaves to `useradd`: absolute and without `..`.
pub(super) fn check_loosely(text: &str, path: &Path, findings: &mut Findings) {
    if let Some(message) = leads_astray(text) {
        findings.error(path.clone(), message);
    }
}

/// Whether [`check`] lets it through.
pub(super) fn is_right(text: &str) -> bool {
    wrong(text).is_none()
}

fn wrong(text: &str) -> Option<String> {
    leads_astray(text).or_else(|| {
        let clean = clean(text);
        (clean != text)
            .then(|| format!("the path {text:?} is not in its shortest form; write {clean:?}"))
    })
}

fn leads_astray(text: &str) -> Option<String> {
    if text.is_empty() {
        Some("the path is empty; give an absolute one".to_owned())
    } else if !text.starts_with('/') {
        Some(format!("the path {text:?} is relative; begin it with /"))
    } else if text.contains('\0') {
        Some("the path has a NUL character".to_owned())
    } else if text.split('/').any(|part| part == "..") {
        Some(format!("the path {text:?} has a part ..; write it without"))
    } else {
        None
    }
}

/// The path as it is compared, also one that was not checked: without doubled and trailing slashes, `.` and `..` resolved as text.
pub(super) fn clean(text: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in text.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    format!("/{}", steps.join("/"))
}

/// The directories above a path, the root left out.
pub(super) fn above(clean: &str) -> impl Iterator<Item = &str> {
    clean
        .match_indices('/')
        .map(|(at, _)| &clean[..at])
        .filter(|parent| !parent.is_empty())
}
