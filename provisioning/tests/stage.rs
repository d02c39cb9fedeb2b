//! `acl-provision -stage` as a unit of an initrd runs it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use acl_host::{Tool, Tools};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_acl-provision");

/// What the stage fetch says, and its exit status, for a config that names one where nobody listens.
fn fetch(timeouts: &serde_json::Value) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let config = json!({"ignition": {
        "version": "3.4.0",
        "timeouts": timeouts,
        // The port is nobody's: discard.
        "config": {"merge": [{"source": "http://127.0.0.1:9/a"}]},
    }});
    acl_host::file::scratch(at("config.ign"), config.to_string().as_bytes()).unwrap();
    std::fs::create_dir(at("root")).unwrap();
    let arguments = [
        ("-root", "root"),
        ("-config-cache", "cache"),
        ("-neednet", "neednet"),
        ("-state-file", "state"),
        ("--run-directory", "own"),
    ];
    let mut running = Tools::host()
        .command(Tool::Own(PathBuf::from(PROGRAM)))
        .args(["-platform", "file", "-stage", "fetch", "-log-to-stdout"])
        .args(
            arguments
                .iter()
                .flat_map(|(flag, name)| [(*flag).into(), at(name).into_os_string()]),
        )
        .env("IGNITION_CONFIG_FILE", at("config.ign"))
        .stdout(File::create(at("out")).unwrap())
        .spawn()
        .unwrap();
    let status = running.wait(Duration::from_secs(60)).unwrap().unwrap();
    let mut said = String::new();
    File::open(at("out"))
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(at("own/failed").exists() && at("own/log").exists());
    (status.code(), said)
}

#[test]
fn a_wait_is_told_once_and_how_long_it_may_be() {
    let (status, said) = fetch(&json!({"httpTotal": 2}));
    assert_eq!(status, Some(4), "{said}");
    let waiting: Vec<_> = said
        .lines()
        .filter(|line| line.contains("waiting for "))
        .collect();
    assert_eq!(waiting.len(), 1, "{said}");
    assert!(
        waiting[0].contains("waiting for 0 s now, for 2 s at most: ")
            && waiting[0].contains("http://127.0.0.1:9/a"),
        "{said}"
    );
    let tries = said
        .lines()
        .filter(|line| line.contains("trying again"))
        .count();
    assert!(tries > 1, "{said}");
}

/// What Ignition takes is taken: an empty root where none is needed, flags that are repeated, Go's truth values and durations.
#[test]
fn flags_are_ignitions() {
    for flags in [
        &["-root", ""][..],
        &["-root="],
        &["-root", "/nowhere", "-root", ""],
        &["-stage", "files", "-stage", "fetch"],
        &["-platform", "azure", "-platform=file"],
        &["-log-to-stdout=1"],
        &["-log-to-stdout=t", "-log-to-stdout=F"],
        &["--log-to-stdout=False"],
        &["-fetch-timeout", "0"],
        &["-fetch-timeout=-1s"],
        &["-fetch-timeout", "-1s"],
        &["-fetch-timeout", "5m", "-fetch-timeout", "1h2m3.5s"],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let config = br#"{"ignition": {"version": "3.4.0"}}"#;
        acl_host::file::scratch(directory.path().join("config.ign"), config).unwrap();
        let mut running = Tools::host()
            .command(Tool::Own(PathBuf::from(PROGRAM)))
            .args([
                "-platform",
                "file",
                "-stage",
                "fetch",
                "-config-cache",
                "cache",
            ])
            .args(["-neednet", "neednet", "-state-file", "state"])
            .args(["--run-directory", "own"])
            .args(flags.iter().copied())
            .current_dir(directory.path())
            .spawn()
            .unwrap();
        let ended = running.wait(Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(ended.code(), Some(0), "{flags:?}");
        assert!(directory.path().join("cache").exists(), "{flags:?}");
    }
}

/// Not in the words of the library that reads it.
#[test]
fn a_wrong_time_limit_is_told_with_an_example() {
    let stage = Tools::host()
        .command(Tool::Own(PathBuf::from(PROGRAM)))
        .args(["-stage", "fetch", "-fetch-timeout", "7d"]);
    let said = acl_host::error::chain(&stage.run().unwrap_err());
    let expected = "invalid value '7d' for '--fetch-timeout <FETCH_TIMEOUT>': it is not a duration; write a number and \
                    its unit, such as 90s, 5m or 1h30m; 0 is without end";
    assert!(said.contains(expected), "{said}");
}

/// The operator's `user.ign` is looked for where Ignition looks for it, in its order.
#[test]
fn directories_are_ignitions() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let config = br#"{"ignition": {"version": "3.4.0"}}"#;
    acl_host::file::scratch(at("config.ign"), config).unwrap();
    let mut running = Tools::host()
        .command(Tool::Strace)
        .args(["-f", "-qq", "-e", "trace=%file", "-o", "trace"])
        .args([PROGRAM, "-platform", "file", "-stage", "fetch"])
        .args(["-config-cache", "cache", "-neednet", "neednet"])
        .args(["-state-file", "state", "--run-directory", "own"])
        .env("IGNITION_CONFIG_FILE", at("config.ign"))
        .current_dir(directory.path())
        .spawn()
        .unwrap();
    let ended = running.wait(Duration::from_secs(120)).unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    let trace = acl_host::file::read_to_string(at("trace")).unwrap();
    let asked = trace.lines().filter_map(|line| line.split('"').nth(1));
    let asked: Vec<&str> = asked.filter(|path| path.ends_with("/user.ign")).collect();
    let expected = ["/run/ignition", "/etc/ignition", "/usr/lib/ignition"];
    assert_eq!(asked, expected.map(|place| format!("{place}/user.ign")));
}
