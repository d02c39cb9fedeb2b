//! Durable files.

use std::os::unix::fs::PermissionsExt;

use acl_host::error::chain;
use acl_host::{Error, Who, file};

fn names(directory: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_write_replaces_the_file_and_leaves_nothing_beside_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("state.json");
    for content in ["old and long", "new"] {
        file::write(&path, content.as_bytes()).unwrap();
        assert_eq!(file::read_to_string(&path).unwrap(), content);
        assert_eq!(file::read(&path).unwrap(), content.as_bytes());
        assert_eq!(names(temp.path()), ["state.json"]);
    }
}

#[test]
fn a_write_gets_past_what_an_interrupted_one_left() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("state.json");
    std::fs::write(temp.path().join(".state.json.new"), "half").unwrap();
    file::write(&path, b"whole").unwrap();
    assert_eq!(file::read_to_string(&path).unwrap(), "whole");
    assert_eq!(names(temp.path()), ["state.json"]);
}

#[test]
fn a_write_does_not_follow_a_link_at_the_temporary_name() {
    let temp = tempfile::tempdir().unwrap();
    let victim = temp.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, temp.path().join(".key.new")).unwrap();
    file::write_private(temp.path().join("key"), b"secret").unwrap();
    assert_eq!(file::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(
        file::read_to_string(temp.path().join("key")).unwrap(),
        "secret"
    );
}

#[test]
fn a_write_that_fails_keeps_the_old_file() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("state.json");
    file::write(&path, b"old").unwrap();
    // A directory cannot be replaced as a file is: the rewrite fails before the rename.
    std::fs::create_dir(temp.path().join(".state.json.new")).unwrap();
    let error = file::write(&path, b"new").unwrap_err();
    assert!(matches!(&error, Error::WriteFile { path: told, .. } if *told == path));
    assert_eq!(file::read_to_string(&path).unwrap(), "old");
}

#[test]
fn a_private_file_is_its_owners_from_the_start() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db.key");
    std::fs::write(&path, "readable by all").unwrap();
    file::write_private(&path, b"secret").unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn removing_and_renaming() {
    let temp = tempfile::tempdir().unwrap();
    let (a, b) = (temp.path().join("a"), temp.path().join("b"));
    file::scratch(&a, b"a").unwrap();
    file::scratch(&b, b"b").unwrap();
    file::rename(&a, &b).unwrap();
    assert_eq!(names(temp.path()), ["b"]);
    assert_eq!(file::read_to_string(&b).unwrap(), "a");
    file::remove(&b).unwrap();
    file::remove(&b).unwrap();
    assert_eq!(names(temp.path()), [] as [&str; 0]);
    assert!(matches!(
        file::rename(&a, &b),
        Err(Error::RenameFile { .. })
    ));
    assert!(matches!(
        file::remove(temp.path()),
        Err(Error::RemoveFile { .. })
    ));
}

#[test]
fn errors_name_the_file() {
    let error = file::read_to_string("/nowhere/at/all").unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot read /nowhere/at/all: No such file or directory (os error 2)"
    );
    assert_eq!(error.who(), Who::Environment);
    let error = file::write("/nowhere/at/all", b"").unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot write /nowhere/at/all: No such file or directory (os error 2)"
    );
    let error = file::sync_dir("/nowhere").unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot make /nowhere durable: No such file or directory (os error 2)"
    );
}
