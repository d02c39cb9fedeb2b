//! `acl-provision validate` as a pipeline runs it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use acl_host::{Tool, Tools};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_acl-provision");

const VALID: &str = r#"{"ignition": {"version": "3.4.0"}}"#;
const WARNED: &str = "{\"ignition\": {\"version\": \"3.4.0\"},\n  \"typo\": {}}";
const INVALID: &str =
    "{\"ignition\": {\"version\": \"3.4.0\"},\n  \"storage\": {\"files\": [{\"path\": \"etc\"}]}}";

/// The exit status, standard output and standard error.
fn validate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let (out, err) = (directory.path().join("out"), directory.path().join("err"));
    let mut running = Tools::host()
        .command(Tool::Own(PathBuf::from(PROGRAM)))
        .arg("validate")
        .args(arguments)
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let status = running.wait(Duration::from_secs(60)).unwrap().unwrap();
    let read = |path| {
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    (status.code(), read(out), read(err))
}

/// A file of a config.
fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    acl_host::file::scratch(file.path(), text.as_bytes()).unwrap();
    file
}

#[test]
fn the_exit_status_tells_valid_from_not_valid_from_not_readable() {
    let file = written(VALID);
    let name = file.path().to_str().unwrap();
    let said = (
        Some(0),
        format!("{name}: valid (Ignition 3.4.0)\n"),
        String::new(),
    );
    assert_eq!(validate(&[name]), said);

    let file = written(WARNED);
    let name = file.path().to_str().unwrap();
    let said = format!(
        "{name}:2:3: warning: this key is not known to the config's version of the spec and does nothing ($.typo)\n\
         {name}: valid (Ignition 3.4.0)\n"
    );
    assert_eq!(validate(&[name]), (Some(0), said, String::new()));

    let file = written(INVALID);
    let name = file.path().to_str().unwrap();
    let said = format!(
        "{name}:2:34: error: the path \"etc\" is relative; begin it with / ($.storage.files.0.path)\n\
         {name}: not valid\n"
    );
    assert_eq!(validate(&[name]), (Some(1), said, String::new()));

    let said =
        "acl-provision: cannot read /nowhere/a.ign: No such file or directory (os error 2)\n";
    assert_eq!(
        validate(&["/nowhere/a.ign"]),
        (Some(2), String::new(), said.to_owned())
    );
}

#[test]
fn json_has_every_entry_with_its_place() {
    let document = |text: &str| -> Value {
        let file = written(text);
        let (_, out, _) = validate(&["--json", file.path().to_str().unwrap()]);
        serde_json::from_str(&out).unwrap()
    };
    assert_eq!(document(VALID), json!({"valid": true, "report": []}));
    assert_eq!(
        document(WARNED),
        json!({"valid": true, "report": [{
            "kind": "warning", "path": "$.typo", "line": 2, "column": 3,
            "message": "this key is not known to the config's version of the spec and does nothing",
        }]})
    );
    assert_eq!(
        document(INVALID),
        json!({"valid": false, "report": [{
            "kind": "error", "path": "$.storage.files.0.path", "line": 2, "column": 34,
            "message": "the path \"etc\" is relative; begin it with /",
        }]})
    );
}

/// As `acl-provision validate … | head` has it: whether the config is valid is still told.
#[test]
fn a_reader_that_has_gone_does_not_change_the_exit_status() {
    for (text, code) in [(VALID, 0), (INVALID, 1)] {
        let file = written(text);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut running = Tools::host()
            .command(Tool::Own(PathBuf::from(PROGRAM)))
            .arg("validate")
            .arg(file.path())
            .stdout(writer)
            .spawn()
            .unwrap();
        let status = running.wait(Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(status.code(), Some(code));
    }
}
