//! Executables that the image and the operator add as checks.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use acl_host::tool::{Tool, Tools};

use super::report::Check;

/// Where they are; one in the later directory hides one of the same name in the earlier.
const DIRECTORIES: [&str; 2] = ["usr/lib/acl/health.d", "etc/acl/health.d"];

/// Run them all, one after the other in the order of their names; each is killed after `limit`. A directory that cannot
/// be read is a check that failed: nobody knows what it would have found.
pub(super) async fn run(root: &Path, limit: Duration) -> Vec<Check> {
    let (found, mut checks) = found(root);
    for (name, path) in found {
        let start = Instant::now();
        let ran = tokio::task::spawn_blocking(move || one(path, limit)).await;
        let result = ran.unwrap_or_else(|error| Err(error.to_string()));
        checks.push(Check::new(name, start.elapsed(), result));
    }
    checks
}

fn one(path: PathBuf, limit: Duration) -> Result<(), String> {
    // What it writes to standard output nobody reads; kept, it would fill the memory.
    let command = Tools::host()
        .command(Tool::Operator(path))
        .stdout(Stdio::null())
        .limit(limit);
    match command.run() {
        Ok(_) => Ok(()),
        Err(error) => Err(acl_host::error::chain(&error)),
    }
}

/// The executables by their names, and the directories that cannot be read.
fn found(root: &Path) -> (BTreeMap<String, PathBuf>, Vec<Check>) {
    let (mut found, mut unreadable) = (BTreeMap::new(), Vec::new());
    for directory in DIRECTORIES {
        let directory = root.join(directory);
        match executables(&directory) {
            Ok(executables) => found.extend(executables),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let problem = format!("its checks cannot be listed, mend or remove it: {error}");
                let name = directory.display().to_string();
                unreadable.push(Check::new(name, Duration::ZERO, Err(problem)));
            }
        }
    }
    (found, unreadable)
}

fn executables(directory: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if is_executable(&path) {
            found.push((entry.file_name().to_string_lossy().into_owned(), path));
        }
    }
    Ok(found)
}

/// What cannot be looked at counts: it is run, and says why it cannot.
fn is_executable(path: &Path) -> bool {
    let metadata = std::fs::metadata(path);
    metadata.map_or(true, |m| m.is_file() && m.permissions().mode() & 0o111 != 0)
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

    #[tokio::test]
    async fn a_check_that_cannot_be_looked_at_is_a_failed_check() {
        let root = tempfile::tempdir().unwrap();
        let operator = root.path().join("etc/acl/health.d");
        script(&operator, "10-good", "exit 0", 0o755);
        let (gone, loops) = (operator.join("20-gone"), operator.join("30-loop"));
        std::os::unix::fs::symlink("nowhere", &gone).unwrap();
        std::os::unix::fs::symlink("30-loop", &loops).unwrap();
        let checks = run(root.path(), Duration::from_secs(10)).await;
        let problems: Vec<_> = checks.iter().map(|c| c.problem.clone()).collect();
        let expected = [
            None,
            Some(format!(
                "there is no program {}: correct its path",
                gone.display()
            )),
            Some(format!(
                "cannot start {}: Too many levels of symbolic links (os error 40)",
                loops.display()
            )),
        ];
        assert_eq!(problems, expected);
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_read_is_a_failed_check() {
        let root = tempfile::tempdir().unwrap();
        script(&root.path().join("usr/lib/acl/health.d"), "10", "", 0o755);
        std::fs::create_dir_all(root.path().join("etc/acl")).unwrap();
        let operator = root.path().join("etc/acl/health.d");
        acl_host::file::scratch(&operator, b"not a directory").unwrap();
        let checks = run(root.path(), Duration::from_secs(10)).await;
        let told: Vec<_> = checks
            .iter()
            .map(|c| (c.name.as_str(), c.problem.as_deref()))
            .collect();
        let problem =
            "its checks cannot be listed, mend or remove it: Not a directory (os error 20)";
        let expected = [(operator.to_str().unwrap(), Some(problem)), ("10", None)];
        assert_eq!(told, expected);
    }
}
