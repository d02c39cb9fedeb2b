//! `aclctl provision` as it is typed, on a machine in a temporary directory that no agent and no bus knows.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code too")]

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use acl_host::{Tool, Tools, file};
use acl_provision::status::{FAILED, LOG, Origin, PROVISIONED, Ran, Status};
use serde_json::{Value, json};
use tempfile::TempDir;

const LOGGED: &str = "2026-11-21T18:03:11.123456Z  INFO stage fetch begins\n\
                      2026-11-21T18:03:12.535456Z  INFO fw_cfg opt/com.coreos/config: user config, in a line longer than a terminal is wide\n";

/// A file's path below the root, and its bytes.
type Written<'a> = (&'a str, &'a [u8]);

/// Root and what it holds; `ROOT` stands for its path in what is compared.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// With these files.
    fn with(files: &[Written]) -> Self {
        let machine = Self::new();
        for (path, bytes) in files {
            let path = machine.at(path);
            file::make_parents(&path).unwrap();
            file::write_private(&path, bytes).unwrap();
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    /// Every file of the first boot, its mode and its text.
    fn files(&self) -> Vec<(String, u32, String)> {
        let directory = self.at(PROVISIONED).parent().unwrap().to_owned();
        let file = |path: PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            (name, mode, file::read_to_string(&path).unwrap())
        };
        file::list(directory)
            .unwrap()
            .into_iter()
            .map(file)
            .collect()
    }

    /// The exit code, standard output and standard error of `aclctl provision …`.
    fn provision(&self, line: &str) -> (Option<i32>, String, String) {
        let streams = tempfile::tempdir().unwrap();
        let path = |name: &str| streams.path().join(name);
        let mut running = Tools::host()
            .command(Tool::Own(env!("CARGO_BIN_EXE_aclctl").into()))
            .arg("provision")
            .args(line.split(' '))
            .arg("--root")
            .arg(self.dir.path())
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
            .stdin(Stdio::null())
            .stdout(File::create(path("out")).unwrap())
            .stderr(File::create(path("err")).unwrap())
            .spawn()
            .unwrap();
        let status = running.wait(Duration::from_secs(60)).unwrap().unwrap();
        let root = self.dir.path().to_str().unwrap();
        let read = |name: &str| {
            let text = file::read_to_string(path(name)).unwrap();
            text.replace(root, "ROOT")
        };
        (status.code(), read("out"), read("err"))
    }

    /// What it prints, when it works.
    fn told(&self, line: &str) -> String {
        let (code, out, err) = self.provision(line);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{line}: {out}");
        out
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.told(&format!("{line} --json"))).unwrap()
    }
}

fn ran(stage: &str, second: u32, seconds: f64, done: &[&str]) -> Ran {
    Ran {
        stage: stage.to_owned(),
        began: format!("2026-11-21T18:03:{second}.123456789Z"),
        seconds,
        done: done.iter().copied().map(str::to_owned).collect(),
        error: None,
    }
}

fn origin(kind: &str, place: &str, digit: char) -> Origin {
    Origin {
        kind: kind.to_owned(),
        place: place.to_owned(),
        sha512: format!("{digit}123456789abcdef").repeat(8),
    }
}

/// A first boot that ended well.
fn good() -> Status {
    Status {
        schema: 1,
        platform: "qemu".to_owned(),
        release: "1.2.3".to_owned(),
        origins: vec![
            origin("user", "fw_cfg opt/com.coreos/config", 'a'),
            origin(
                "referenced",
                "https://config.example.net/machines/worker/of/a/long/name.ign",
                'b',
            ),
        ],
        stages: vec![
            ran(
                "fetch",
                11,
                1.412,
                &["fw_cfg opt/com.coreos/config: user config"],
            ),
            ran(
                "disks",
                12,
                2.25,
                &[
                    "/dev/disk/by-id/virtio-data: partition 1 made",
                    "/dev/disk/by-partlabel/data: ext4 made, and what else there is to be said of it",
                ],
            ),
            ran("files", 14, 0.0004, &[]),
        ],
    }
}

/// One that failed.
fn bad() -> Status {
    let reason = "the user that owns /etc/site.conf, \u{1b}[2Joperator, is not in /etc/passwd of the new root";
    let failed = Ran {
        error: Some(reason.to_owned()),
        ..ran("files", 59, 0.5, &[])
    };
    Status {
        schema: 1,
        platform: "azure".to_owned(),
        release: String::new(),
        origins: Vec::new(),
        stages: vec![ran("fetch", 58, 0.25, &[]), failed],
    }
}

const GOOD: &str = "\
State     provisioned 2026-11-21T18:03:11Z in 3.7 s
Release   1.2.3
Platform  qemu
Config    user: fw_cfg opt/com.coreos/config
  SHA-512 a123456789abcdef
Config    referenced:
          https://config.example.net/machines/worker/of/a/long/name.ign
  SHA-512 b123456789abcdef
Stage     fetch, 1.412 s
  Done    fw_cfg opt/com.coreos/config: user config
Stage     disks, 2.250 s
  Done    /dev/disk/by-id/virtio-data: partition 1 made
  Done    /dev/disk/by-partlabel/data: ext4 made, and what else there is to be
          said of it
Stage     files, 0.000 s
";

const BAD: &str = "\
State     failed 2026-11-21T18:03:59Z at its stage files: the user that owns
          /etc/site.conf, \\u{1b}[2Joperator, is not in /etc/passwd of the new
          root
Release   unknown
Platform  azure
Stage     fetch, 0.250 s
Stage     files, 0.500 s, failed
";

const NONE: &str = "\
State     no first boot has ended here, so the next boot is one. A machine that
          came up without one was installed by a release that had no first boots
          yet.
";

const NO_MACHINE: &str = "\
State     no first boot has ended here: this is no ACL machine, its os-release
          does not name an image (IMAGE_ID, IMAGE_VERSION)
";

/// What an image of ACL says of itself, and a workstation.
const IMAGE: Written = (OS_RELEASE, b"ID=acl\nIMAGE_ID=acl\nIMAGE_VERSION=1\n");
const WORKSTATION: Written = (OS_RELEASE, b"ID=debian\nVERSION_ID=\"13\"\n");
const OS_RELEASE: &str = "/usr/lib/os-release";

#[test]
fn status_tells_all_of_a_first_boot() {
    let (good, bad) = (good().to_json(), bad().to_json());
    let before = format!("{PROVISIONED}.before");
    let reset = "State     reset: the next boot is a first boot\n";
    let earlier = GOOD.replace("State     p", "State     before the reset: p");
    let table: [(&[Written], String); 11] = [
        (&[IMAGE], NONE.to_owned()),
        (&[WORKSTATION], NO_MACHINE.to_owned()),
        (&[], NO_MACHINE.to_owned()),
        (&[(PROVISIONED, &good)], GOOD.to_owned()),
        (
            &[(PROVISIONED, &good), (LOG, LOGGED.as_bytes())],
            format!("{GOOD}\nLog\n{LOGGED}"),
        ),
        (
            &[(FAILED, &bad), (LOG, b"a\x1b[2Jb\n\xff\n")],
            format!("{BAD}\nLog\na\\u{{1b}}[2Jb\n\u{fffd}\n"),
        ),
        (
            &[(FAILED, &bad), (PROVISIONED, &good)],
            format!("{BAD}\n{GOOD}"),
        ),
        (&[(&before, &good)], format!("{reset}\n{earlier}")),
        (
            &[(&before, &good), (FAILED, &bad)],
            format!("{BAD}\n{reset}\n{earlier}"),
        ),
        (&[(&before, b"damaged")], reset.to_owned()),
        // Of a reset long ago.
        (&[(&before, &bad), (PROVISIONED, &good)], GOOD.to_owned()),
    ];
    for (files, told) in table {
        assert_eq!(Machine::with(files).told("status"), told);
    }
}

#[test]
fn status_tells_programs_the_documents_as_they_are() {
    let mut good: Value = serde_json::from_slice(&good().to_json()).unwrap();
    good["of a later release"] = json!([1]);
    let bytes = good.to_string();
    let machine = Machine::with(&[(PROVISIONED, bytes.as_bytes()), (LOG, LOGGED.as_bytes())]);
    let expected = json!({
        "schema": 1,
        "provisioned": good,
        "failed": null,
        "reset": false,
        "before": null,
        "log": LOGGED,
    });
    assert_eq!(machine.json("status"), expected);
    let nothing = json!({
        "schema": 1,
        "provisioned": null,
        "failed": null,
        "reset": false,
        "before": null,
        "log": null,
    });
    assert_eq!(Machine::new().json("status"), nothing);
}

#[test]
fn a_record_that_cannot_be_understood_is_no_first_boot_to_come() {
    let machine = Machine::with(&[(PROVISIONED, b"{\"schema\": 1")]);
    let said = "\
aclctl: ROOT/var/lib/acl/provision/provisioned.json is damaged; as long as it is
        there, the next boot is not a first boot: EOF while parsing an object at
        line 1 column 12
";
    let (code, out, err) = machine.provision("status");
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert_eq!(words(&err), words(said));
    // Nor does that stop a reset.
    machine.told("reset --yes");
    assert_eq!(
        machine.told("status"),
        "State     reset: the next boot is a first boot\n"
    );
}

#[test]
fn reset_takes_the_marker_away_and_loses_nothing() {
    let (good, bad) = (good().to_json(), bad().to_json());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let log = LOGGED.as_bytes();
    let before = format!("{PROVISIONED}.before");
    let machine = Machine::with(&[
        (PROVISIONED, &good),
        (FAILED, &bad),
        (LOG, log),
        (&before, b"of an earlier reset"),
        ("/var/lib/acl/provision/appended", b"kept\n"),
    ]);
    let told = machine.told("reset --yes");
    let mut lines = told.lines();
    assert_eq!(
        lines.next(),
        Some("State     the next boot is a first boot")
    );
    assert!(
        told.contains("ROOT/var/lib/acl/provision/provisioned.json.before"),
        "{told}"
    );
    let expected = [
        ("appended", "kept\n".to_owned()),
        ("failed.json", text(&bad)),
        ("log", LOGGED.to_owned()),
        ("log.before", LOGGED.to_owned()),
        ("provisioned.json.before", text(&good)),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), 0o600, text));
    assert_eq!(machine.files(), expected);
}

#[test]
fn reset_is_refused_without_a_terminal_or_a_yes() {
    let good = good().to_json();
    let machine = Machine::with(&[(PROVISIONED, &good)]);
    let files = machine.files();
    let said = "\
aclctl: there is no terminal to ask on, so nothing was changed: `--yes` says
        that you mean it
";
    let refused = (Some(3), String::new(), said.to_owned());
    assert_eq!(machine.provision("reset"), refused);
    assert_eq!(machine.provision("reset --json"), refused);
    assert_eq!(machine.files(), files);
}

#[test]
fn reset_tells_programs_what_status_tells_them() {
    let good = good().to_json();
    let machine = Machine::with(&[(PROVISIONED, &good)]);
    let expected = json!({
        "schema": 1,
        "provisioned": null,
        "failed": null,
        "reset": true,
        "before": serde_json::from_slice::<Value>(&good).unwrap(),
        "log": null,
    });
    assert_eq!(machine.json("reset --yes"), expected);
    assert_eq!(machine.json("status"), expected);
}

#[test]
fn a_reset_of_what_was_not_or_of_what_was_reset_changes_nothing() {
    let already = "State     the next boot is a first boot already\n";
    assert_eq!(Machine::new().told("reset"), already);
    let good = good().to_json();
    let machine = Machine::with(&[(PROVISIONED, &good)]);
    machine.told("reset --yes");
    let files = machine.files();
    assert_eq!(machine.told("reset"), already);
    assert_eq!(machine.told("reset --yes"), already);
    assert_eq!(machine.files(), files);
}
