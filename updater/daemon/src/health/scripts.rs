//! Executables that the image and the operator add as checks.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use acl_host::tool::{Tool, Tools};

use super::report::Check;

/// Where they are; one in the later directory hides one of the same name in the earlier.
const DIRECTORIES: [&str; 2] = ["usr/lib/acl/health.d", "etc/acl/health.d"];

/// Run them all, one after the other in the order of their names; each is killed after `limit`.
pub(super) async fn run(root: &Path, limit: Duration) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, path) in found(root) {
        let start = Instant::now();
        let ran = tokio::task::spawn_blocking(move || one(path, limit)).await;
        let result = ran.unwrap_or_else(|error| Err(error.to_string()));
        checks.push(Check::new(name, start.elapsed(), result));
    }
    checks
}

fn one(path: PathBuf, limit: Duration) -> Result<(), String> {
    let command = Tools::host().command(Tool::Operator(path)).limit(limit);
    match command.run() {
        Ok(_) => Ok(()),
        Err(error) => Err(acl_host::error::chain(&error)),
    }
}

fn found(root: &Path) -> BTreeMap<String, PathBuf> {
    let mut checks = BTreeMap::new();
    for directory in DIRECTORIES {
        let listed = std::fs::read_dir(root.join(directory));
        for entry in listed.into_iter().flatten().flatten() {
            let path = entry.path();
            if is_executable(&path) {
                checks.insert(entry.file_name().to_string_lossy().into_owned(), path);
            }
        }
    }
    checks
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(dir: &Path, name: &str, text: &str, mode: u32) {
        std::fs::create_dir_all(dir).unwrap();
        let path = dir.join(name);
        acl_host::file::scratch(&path, format!("#!/bin/sh\n{text}\n").as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn scripts_run_in_order_and_tell_what_they_said() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("usr/lib/acl/health.d");
        let operator = root.path().join("etc/acl/health.d");
        script(&image, "20-good", "exit 0", 0o755);
        script(&image, "30-bad", "echo the disk is full >&2; exit 3", 0o755);
        script(&image, "40-off", "exit 1", 0o644);
        script(&image, "50-hidden", "exit 1", 0o755);
        script(&operator, "50-hidden", "exit 0", 0o755);
        script(&operator, "10-slow", "sleep 60", 0o755);
        let checks = run(root.path(), Duration::from_millis(200)).await;
        let told: Vec<_> = checks
            .iter()
            .map(|c| (c.name.as_str(), c.problem.is_none()))
            .collect();
        let expected = [
            ("10-slow", false),
            ("20-good", true),
            ("30-bad", false),
            ("50-hidden", true),
        ];
        assert_eq!(told, expected);
        let problem = |n: usize| checks[n].problem.clone().unwrap();
        assert!(problem(0).contains("was killed"), "{}", problem(0));
        assert!(problem(2).contains("the disk is full"), "{}", problem(2));
    }
}
