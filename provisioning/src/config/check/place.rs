//! Places of the new system that are not a config's: what is put there would be refused, hidden or lost.

use super::path::clean;
use crate::config::Path;
use crate::config::report::Findings;

/// Where the image is; what usually is beside it are links into it.
const IMAGE: &[&str] = &["/usr", "/bin", "/lib", "/lib64", "/sbin"];
/// Where the system mounts filesystems of its own that begin empty.
const VOLATILE: &[&str] = &["/dev", "/proc", "/run", "/sys", "/tmp"];
/// What is on ROOT, with all below it.
const STATE: &[&str] = &["/etc", "/var/lib/acl"];
/// What is above the state on ROOT. Directories in it are free.
const ABOVE_STATE: &[&str] = &["/", "/var", "/var/lib"];
/// Where provisioning notes what it did.
const RECORD: &str = "/var/lib/acl/provision";

/// Checks where a filesystem is mounted.
pub(super) fn check_mount(text: &str, at: &Path, findings: &mut Findings) {
    let path = clean(text);
    let why = if ABOVE_STATE.contains(&path.as_str()) || is_in(&path, STATE) {
        "ACL keeps its own state on ROOT there, and what the config writes would vanish"
    } else if is_in(&path, IMAGE) {
        "the image is there, read-only"
    } else if is_in(&path, VOLATILE) {
        "the system mounts a filesystem of its own there"
    } else {
        return;
    };
    let message =
        format!("{why}; mount at a directory of its own, such as /var/lib/containerd or /var/data");
    findings.error(at.clone(), message);
}

/// Checks the path of a file, a directory or a link, which is cleaned.
pub(super) fn check_node(path: &str, at: &Path, findings: &mut Findings) {
    if is_in(path, IMAGE) {
        let message =
            "the image is there, read-only; put programs into /opt and settings into /etc";
        findings.error(at.clone(), message);
    } else if is_in(path, &[RECORD]) {
        let message = "ACL keeps the record of the first boot there; choose another path";
        findings.error(at.clone(), message);
    } else if is_in(path, VOLATILE) {
        let message = "nothing there survives the initrd; use tmpfiles.d";
        findings.warning(at.clone(), message);
    }
}

/// Whether a cleaned path is one of the places or lies below one.
fn is_in(path: &str, places: &[&str]) -> bool {
    let mut rests = places.iter().filter_map(|place| path.strip_prefix(place));
    rests.any(|rest| rest.is_empty() || rest.starts_with('/'))
}
