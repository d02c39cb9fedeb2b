//! What a first boot has on the disk at each moment, by the system calls of the program itself: a power cut after any of them
//! leaves each file whole or not there, and the record last.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acl_host::{Tool, Tools};
use tempfile::TempDir;

use crate::platform::write;

const PROGRAM: &str = env!("CARGO_BIN_EXE_acl-provision");

/// The calls that make something durable or give it its name.
const CALLS: &str = "trace=rename,renameat,renameat2,fsync,fdatasync,syncfs,sync";

const CONFIG: &str = r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [
    {"path": "/etc/a", "contents": {"source": "data:,a"}},
    {"path": "/etc/b", "contents": {"source": "data:,b"}}]}}"#;

struct FirstBoot {
    dir: TempDir,
}

impl FirstBoot {
    fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("config.ign"), config);
        write(
            dir.path().join("root/etc/passwd"),
            "root:x:0:0::/:/bin/sh\n",
        );
        write(dir.path().join("root/etc/group"), "root:x:0:\n");
        std::fs::create_dir(dir.path().join("run")).unwrap();
        Self { dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Runs a stage under strace; what it made durable and named, in order.
    fn stage(&self, stage: &str) -> Vec<String> {
        let trace = self.at(&format!("{stage}.trace"));
        let mut running = Tools::host()
            .command(Tool::Strace)
            .args(["-f", "-y", "-qq", "-s", "4096", "-e", CALLS, "-o"])
            .arg(&trace)
            .args([PROGRAM, "-platform", "file", "-stage", stage])
            .args(["-root", "root", "-config-cache", "run/config.json"])
            .args(["-neednet", "run/neednet", "-state-file", "run/state"])
            .args(["--run-directory", "run/own", "-log-to-stdout"])
            .env("IGNITION_CONFIG_FILE", "config.ign")
            .current_dir(self.dir.path())
            .spawn()
            .unwrap();
        let ended = running.wait(Duration::from_secs(120)).unwrap();
        assert_eq!(ended.unwrap().code(), Some(0), "{stage}");
        let trace = acl_host::file::read_to_string(trace).unwrap();
        trace.lines().map(|line| self.call(line)).collect()
    }

    /// Runs a stage that is killed before it replaces file number `kill`, counted from 1; whether it came to its end before
    /// that. A replacement is a renameat(2); strace counts each system call by itself, and new names are renameat2(2).
    fn killed(&self, stage: &str, kill: u32) -> bool {
        let inject = format!("inject=renameat:signal=SIGKILL:when={kill}");
        let mut running = Tools::host()
            .command(Tool::Strace)
            .args(["-f", "-qq", "-o", "/dev/null", "-e", CALLS, "-e", &inject])
            .args([PROGRAM, "-platform", "file", "-stage", stage])
            .args(["-root", "root", "-config-cache", "run/config.json"])
            .args(["-neednet", "run/neednet", "-state-file", "run/state"])
            .args(["--run-directory", "run/own", "-log-to-stdout"])
            .env("IGNITION_CONFIG_FILE", "config.ign")
            .current_dir(self.dir.path())
            .spawn()
            .unwrap();
        let ended = running.wait(Duration::from_secs(120)).unwrap().unwrap();
        // strace ends as the program did: with its status, or by the same signal.
        assert!(matches!(ended.code(), None | Some(0)), "{ended}");
        ended.code() == Some(0)
    }

    /// `fsync(13</tmp/x/root/etc>) = 0` as `fsync root/etc`, a rename as `DIRECTORY: FROM -> TO`.
    fn call(&self, line: &str) -> String {
        let base = self.dir.path().canonicalize().unwrap();
        let base = format!("{}/", base.display());
        let line = line.replace(&base, "");
        let (_, call) = line.split_once(' ').unwrap();
        let (call, answer) = call.trim().rsplit_once(" = ").unwrap();
        assert_eq!(answer, "0", "{line}");
        let (name, rest) = call.trim().split_once('(').unwrap();
        let place = rest
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'));
        let place = place.map_or("", |(place, _)| place);
        let quoted: Vec<&str> = rest.split('"').skip(1).step_by(2).collect();
        match (name, quoted.as_slice()) {
            ("rename", [from, to]) => format!("{from} -> {to}"),
            ("renameat" | "renameat2", [from, to]) => format!("{place}: {from} -> {to}"),
            _ => format!("{name} {place}").trim().to_owned(),
        }
    }
}

#[test]
fn files_get_their_names_when_they_are_on_the_disk() {
    let boot = FirstBoot::new(CONFIG);
    for stage in ["fetch", "disks", "mount"] {
        boot.stage(stage);
    }
    let calls = boot.stage("files");
    // Of the files; before them come the directories that the provisioner keeps for itself.
    let from = calls.iter().position(|call| call.contains("/etc")).unwrap();
    assert_eq!(
        calls[from..],
        [
            "syncfs root/etc/.a.acl-new",
            "root/etc: .a.acl-new -> a",
            "root/etc: .b.acl-new -> b",
            "fsync run/.state.new",
            "run/.state.new -> run/state",
            "fsync run",
        ]
    );
    let own = "root/var/lib/acl/provision";
    assert_eq!(
        calls[from - 3..from],
        [
            format!("fsync {own}/.spool.acl-new"),
            format!("{own}: .spool.acl-new -> spool"),
            format!("fsync {own}"),
        ]
    );
}

/// What has no bytes of its own is on the disk with its name: directories, links, what is removed or gets another name.
#[test]
fn names_without_bytes_are_on_the_disk_too() {
    let boot = FirstBoot::new(
        r#"{"ignition": {"version": "3.4.0"},
        "passwd": {"users": [{"name": "core", "homeDir": "/home/new"}]},
        "storage": {
            "directories": [{"path": "/etc/d", "overwrite": true}],
            "files": [{"path": "/etc/a", "contents": {"source": "data:,a"}}],
            "links": [{"path": "/etc/h", "target": "/etc/a", "hard": true}, {"path": "/etc/l", "target": "a"}]}}"#,
    );
    write(
        boot.at("root/etc/passwd"),
        "root:x:0:0::/:/bin/sh\ncore:x:1000:1000::/home/old:/bin/sh\n",
    );
    write(boot.at("root/etc/d"), "a file in the way");
    write(boot.at("root/home/old/kept"), "");
    for stage in ["fetch", "disks", "mount"] {
        boot.stage(stage);
    }
    let calls = boot.stage("files");
    let is_ours = |call: &&String| call.contains("root/etc") || call.contains("root/home");
    let ours: Vec<&String> = calls.iter().filter(is_ours).collect();
    assert_eq!(
        ours,
        [
            // The home moves: the directory that it is in now, and the one that it was in.
            "root/home: old -> new",
            "fsync root/home",
            "fsync root/home",
            "fsync root/etc/.passwd.acl-new",
            "root/etc: .passwd.acl-new -> passwd",
            "fsync root/etc",
            // The file goes that is in the way of the directory.
            "fsync root/etc",
            "fsync root/etc/.d.acl-new",
            "root/etc: .d.acl-new -> d",
            "fsync root/etc",
            "root/etc: .l.acl-new -> l",
            "fsync root/etc",
            // A hard link needs the name of its target.
            "syncfs root/etc/.a.acl-new",
            "root/etc: .a.acl-new -> a",
            "root/etc: .h.acl-new -> h",
            "fsync root/etc",
        ]
    );
}

#[test]
fn the_record_comes_last_and_after_everything_is_durable() {
    let boot = FirstBoot::new(CONFIG);
    for stage in ["fetch", "disks", "mount", "files"] {
        boot.stage(stage);
    }
    let own = "root/var/lib/acl/provision";
    assert_eq!(
        boot.stage("umount"),
        [
            "fsync run/.state.new".to_owned(),
            "run/.state.new -> run/state".to_owned(),
            "fsync run".to_owned(),
            format!("fsync {own}/.log.acl-new"),
            format!("{own}: .log.acl-new -> log"),
            format!("fsync {own}"),
            "sync".to_owned(),
            format!("fsync {own}/.provisioned.json.acl-new"),
            format!("{own}: .provisioned.json.acl-new -> provisioned.json"),
            format!("fsync {own}"),
        ]
    );
}

/// Two groups get other ids, the second one the id that the first one had; each has a user.
const MOVES: &str = r#"{"ignition": {"version": "3.4.0"}, "passwd": {
    "groups": [{"name": "b", "gid": 1700}, {"name": "a", "gid": 1600}, {"name": "new", "gid": 1800}],
    "users": [{"name": "late", "uid": 1900, "primaryGroup": "new", "noCreateHome": true}]}}"#;

/// A power cut before any of the files is replaced, and a second first boot: the users of a group have its id in the end.
#[test]
fn users_follow_their_group_wherever_the_power_is_cut() {
    let accounts = |boot: &FirstBoot| {
        ["passwd", "group"].map(|name| {
            acl_host::file::read_to_string(boot.at(&format!("root/etc/{name}"))).unwrap()
        })
    };
    let first = |boot: &FirstBoot| {
        for stage in ["fetch", "disks", "mount"] {
            boot.stage(stage);
        }
    };
    let mut cuts = 0;
    loop {
        let boot = FirstBoot::new(MOVES);
        write(
            boot.at("root/etc/passwd"),
            "root:x:0:0::/:/bin/sh\na:x:1500:1500::/:/bin/sh\nb:x:1501:1600::/:/bin/sh\n",
        );
        write(
            boot.at("root/etc/group"),
            "root:x:0:\na:x:1500:\nb:x:1600:\n",
        );
        first(&boot);
        let whole = boot.killed("files", cuts + 1);
        if !whole {
            // What was in memory is gone, and the next boot begins at the beginning.
            std::fs::remove_dir_all(boot.at("run")).unwrap();
            std::fs::create_dir(boot.at("run")).unwrap();
            first(&boot);
            boot.stage("files");
        }
        assert_eq!(
            accounts(&boot),
            [
                "root:x:0:0::/:/bin/sh\na:x:1500:1600::/:/bin/sh\nb:x:1501:1700::/:/bin/sh\n\
                 late:x:1900:1800::/home/late:/bin/sh\n",
                "root:x:0:\na:x:1600:\nb:x:1700:\nnew:x:1800:\n",
            ],
            "cut before replacement {}",
            cuts + 1
        );
        if whole {
            break;
        }
        cuts += 1;
    }
    // shadow, gshadow, passwd and group for each of the two groups, group with the new group, passwd with the new user.
    assert_eq!(cuts, 8);
}

/// A config may hold keys and passwords, and the log names what ran with its arguments.
#[test]
fn what_may_hold_secrets_is_for_root_alone() {
    let boot = FirstBoot::new(CONFIG);
    for stage in ["fetch", "disks", "mount", "files", "umount"] {
        boot.stage(stage);
    }
    let mode = |path: &str| {
        let metadata = std::fs::metadata(boot.at(path)).unwrap();
        format!("{path} {:04o}", metadata.permissions().mode() & 0o7777)
    };
    let own = |name: &str| format!("root/var/lib/acl/provision/{name}");
    let paths = [
        "run/config.json".to_owned(),
        "run/state".to_owned(),
        "run/own/log".to_owned(),
        own("log"),
        own("provisioned.json"),
    ];
    let expected = paths.clone().map(|path| format!("{path} 0600"));
    assert_eq!(paths.map(|path| mode(&path)), expected);
    assert_eq!(mode(&own("spool")), format!("{} 0700", own("spool")));
    // Of a failure, too.
    let boot = FirstBoot::new("{}");
    let status = run_to_failure(boot.dir.path());
    assert_eq!(status, Some(3));
    for path in [
        "run/own/failed",
        "run/state",
        &own("failed.json"),
        &own("log"),
    ] {
        let metadata = std::fs::metadata(boot.at(path)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600, "{path}");
    }
}

/// The exit status of the stage fetch.
fn run_to_failure(dir: &Path) -> Option<i32> {
    let mut running = Tools::host()
        .command(Tool::Own(PathBuf::from(PROGRAM)))
        .args(["-platform", "file", "-stage", "fetch", "-root", "root"])
        .args([
            "-config-cache",
            "run/config.json",
            "-state-file",
            "run/state",
        ])
        .args(["--run-directory", "run/own", "-neednet", "run/neednet"])
        .env("IGNITION_CONFIG_FILE", "config.ign")
        .current_dir(dir)
        .spawn()
        .unwrap();
    running
        .wait(Duration::from_secs(60))
        .unwrap()
        .unwrap()
        .code()
}
