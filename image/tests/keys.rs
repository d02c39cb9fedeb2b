use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use acl_host::Who;
use acl_host::tool::{Tool, Tools};
use acl_image::keys::{self, Keys, NAMES, Pair};
use jiff::{Timestamp, ToSpan};

use crate::program::{keys, now};

/// A copy of the shared set, to be damaged.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&keys().0).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

fn refusal(dir: &Path, now: Timestamp) -> String {
    let error = Keys::load(dir, now).unwrap_err();
    assert_eq!(error.who(), Who::Operator);
    acl_host::error::chain(&error)
}

#[test]
fn only_the_owner_can_read_keys() {
    for name in NAMES {
        let mode = |kind: &str| {
            let path = keys().0.join(name).with_extension(kind);
            path.metadata().unwrap().permissions().mode() & 0o777
        };
        assert_eq!(mode("key"), 0o600);
        assert_eq!(mode("crt") & 0o600, 0o600);
    }
}

#[test]
fn what_is_there_is_never_written_over() {
    let dir = copy();
    let bytes = || {
        let mut files: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
            .into_iter()
            .map(|path| (std::fs::read(&path).unwrap(), path))
            .collect::<Vec<_>>()
    };
    let before = bytes();
    assert_eq!(before.len(), 9);
    keys::init(dir.path(), now()).unwrap();
    assert_eq!(bytes(), before);
}

#[test]
fn a_missing_pair_is_made_and_differs() {
    let dir = copy();
    std::fs::remove_file(dir.path().join("kek.key")).unwrap();
    std::fs::remove_file(dir.path().join("kek.crt")).unwrap();
    let made = keys::init(dir.path(), now()).unwrap();
    assert_ne!(made.kek.fingerprint(), keys().1.kek.fingerprint());
    assert_eq!(made.db.fingerprint(), keys().1.db.fingerprint());
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let dir = copy();
    std::fs::copy(dir.path().join("kek.key"), dir.path().join("db.key")).unwrap();
    let path = dir.path().display();
    assert_eq!(
        refusal(dir.path(), now()),
        format!(
            "the key {path}/db.key does not belong to the certificate {path}/db.crt: put back the file that was \
             exchanged, or move both away and run `acl-image keys init`"
        )
    );
}

#[test]
fn half_a_pair_is_refused_and_not_made_whole() {
    let dir = copy();
    std::fs::remove_file(dir.path().join("verity.crt")).unwrap();
    let path = dir.path().display();
    let wanted = format!(
        "{path}/verity.key is there without {path}/verity.crt: put the missing file back, or move the other away to \
         have a new pair made"
    );
    assert_eq!(refusal(dir.path(), now()), wanted);
    assert_eq!(
        keys::init(dir.path(), now()).unwrap_err().to_string(),
        wanted
    );
    assert!(!dir.path().join("verity.crt").exists());
}

/// A pair is written under other names first: what a power cut left of them is replaced.
#[test]
fn what_an_interrupted_write_left_is_replaced() {
    let dir = copy();
    for name in ["db.key", "db.crt", "owner.guid"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
        let left = dir.path().join(format!(".{name}.new"));
        acl_host::file::scratch(left, b"half").unwrap();
    }
    keys::init(dir.path(), now()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "db.crt",
        "db.key",
        "kek.crt",
        "kek.key",
        "owner.guid",
        "pk.crt",
        "pk.key",
        "verity.crt",
        "verity.key",
    ];
    assert_eq!(names, expected);
    let key = dir.path().join("db.key").metadata().unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

/// A link that leads to itself stands for a disk that fails: no new key is made beside one that is there.
#[test]
fn a_pair_that_cannot_be_looked_at_is_not_made_anew() {
    let dir = copy();
    for name in ["db.key", "db.crt"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
        std::os::unix::fs::symlink(name, dir.path().join(name)).unwrap();
    }
    let wanted = format!(
        "cannot read {}: Too many levels of symbolic links (os error 40)",
        dir.path().join("db.key").display()
    );
    let error = keys::init(dir.path(), now()).unwrap_err();
    assert_eq!(acl_host::error::chain(&error), wanted);
}

#[test]
fn certificates_count_within_their_validity_only() {
    let dir = &keys().0;
    let in_years = |years: i64| {
        let day = now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
            .saturating_add(years.years());
        day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
    };
    assert!(Pair::load(dir, "db", in_years(10)).is_ok());
    for time in [in_years(11), in_years(-1)] {
        assert_eq!(
            refusal(dir, time),
            format!(
                "the certificate {}/pk.crt is valid from 2026-11-20T00:00:00Z to 2036-11-21T00:00:00Z only: firmware \
                 may refuse what it signs; renew it (and enrol the new one)",
                dir.display()
            )
        );
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let dir = copy();
    let key = dir.path().join("pk.key");
    for (text, reason) in [
        ("", "PEM preamble"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n",
            "openssl pkcs8 -topk8 -nocrypt",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
            "InvalidEncoding",
        ),
    ] {
        acl_host::file::scratch(&key, text.as_bytes()).unwrap();
        let refusal = refusal(dir.path(), now());
        assert!(
            refusal.starts_with(&format!(
                "{} is not an RSA key (PKCS#8) in PEM: ",
                key.display()
            )),
            "{refusal}"
        );
        assert!(refusal.contains(reason), "{refusal}");
    }
}

#[test]
fn a_directory_without_keys_says_how_to_make_them() {
    let dir = tempfile::tempdir().unwrap();
    assert!(refusal(dir.path(), now()).contains("make a set of keys with `acl-image keys init`"));
}

/// The program refuses, and not only the function that it asks.
#[test]
fn the_program_makes_no_keys_in_a_work_tree() {
    let dir = tempfile::tempdir().unwrap();
    let work_tree = dir.path().join("project");
    std::fs::create_dir_all(work_tree.join(".git")).unwrap();
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut running = Tools::host()
        .command(Tool::Own(env!("CARGO_BIN_EXE_acl-image").into()))
        .args(["keys", "init"])
        .arg(work_tree.join("keys"))
        .stderr(said.reopen().unwrap())
        .spawn()
        .unwrap();
    let status = running.wait(Duration::from_secs(300)).unwrap().unwrap();
    let said = acl_host::file::read_to_string(said.path()).unwrap();
    assert_eq!(status.code(), Some(3), "{said}");
    let expected = acl_host::private::refuse_work_tree(&work_tree.join("keys")).unwrap_err();
    assert!(said.contains(&expected.to_string()), "{said}");
    assert!(!work_tree.join("keys").exists());
}
