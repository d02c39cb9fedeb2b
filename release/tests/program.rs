//! The program itself: from `init` to a node's download over `serve`, and its exit codes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use acl_host::clock::SystemClock;
use acl_host::tool::{Tool, Tools};
use acl_release::manifest::Part;
use acl_release::repository::fetch::Stock;
use acl_release::repository::read::Repository;
use tempfile::TempDir;

use crate::site::{Shared, build, http, stable, version};

fn program(dir: &TempDir, line: &str) -> Result<String, String> {
    let command = Tools::host().command(Tool::Own(env!("CARGO_BIN_EXE_acl-release").into()));
    let ran = command.current_dir(dir.path()).args(line.split(' ')).run();
    ran.map(|out| String::from_utf8(out).unwrap())
        .map_err(|error| acl_host::error::chain(&error))
}

#[tokio::test]
async fn from_init_to_download() {
    let dir = TempDir::new().unwrap();
    build(dir.path(), "1.0", 1);
    let run = |line| program(&dir, line).unwrap();
    assert_eq!(
        run("init repo --keys keys --channel stable"),
        "made repo; nodes trust repo/metadata/1.root.json\n"
    );
    assert!(
        run("add repo --keys keys --build 1.0 --level 1").starts_with("added 1.0 for x86-64: ")
    );
    assert_eq!(
        run("promote repo 1.0 --keys keys --channel stable"),
        "1.0 is in channel stable\n"
    );
    assert_eq!(run("refresh repo --keys keys"), "refreshed repo\n");
    let shown: serde_json::Value = serde_json::from_str(&run("show repo --json")).unwrap();
    assert_eq!(shown["channels"][0]["releases"][0]["version"], "1.0");
    assert_eq!(shown["roles"][3]["version"], 4);

    let mode = std::fs::metadata(dir.path().join("keys/root.key"))
        .unwrap()
        .permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
    download(&dir).await;
}

async fn download(dir: &TempDir) {
    let server = Tools::host().command(Tool::Own(env!("CARGO_BIN_EXE_acl-release").into()));
    let server = server
        .current_dir(dir.path())
        .args(["serve", "repo", "--listen", "127.0.0.1:0"]);
    let mut server = server.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.take_stdout().unwrap())
        .read_line(&mut line)
        .unwrap();
    let base = line.trim().strip_prefix("serving repo at ").unwrap();
    let root = std::fs::read(dir.path().join("repo/metadata/1.root.json")).unwrap();
    let repository = Repository::open(
        crate::site::sources(&[base]),
        &root,
        &dir.path().join("node"),
        http(),
        Arc::new(SystemClock),
    )
    .await
    .unwrap();
    let channel = repository.channel(&stable()).await.unwrap();
    assert_eq!(channel.releases[0].version, version("1.0"));
    let manifest = repository
        .manifest(&version("1.0"), "x86-64")
        .await
        .unwrap();
    let usr = &manifest.artifacts.usr;
    let fetch = repository
        .fetch(Part::Usr, &usr.plain(), None)
        .await
        .unwrap();
    let shared = Shared::default();
    fetch
        .run(Stock::default(), Box::new(shared.clone()))
        .await
        .unwrap();
    let memory = shared.0.lock().unwrap().clone();
    assert_eq!(memory.fetched, usr.pack.size + usr.index.size);
    server.terminate().unwrap();
    let status = server
        .wait(Duration::from_secs(10))
        .unwrap()
        .expect("the server ends");
    assert!(status.success(), "{status}");
}

#[test]
fn exit_codes_and_messages() {
    let dir = TempDir::new().unwrap();
    let cases = [
        (
            "show none",
            3,
            "none is not a repository: run `acl-release init` first",
        ),
        (
            "serve none",
            3,
            "none is not a repository: run `acl-release init` first",
        ),
        (
            "promote none ../1 --channel stable",
            2,
            "'../1' is not a version",
        ),
        (
            "promote none 1 --channel stable --starts tomorrow",
            2,
            "write date, time and zone, such as 2026-12-01T08:00:00Z or",
        ),
        ("add none --build x --level 20", 2, "20 is not in 1..=19"),
        (
            "refresh none --role king",
            2,
            "root, targets, snapshot, timestamp or channel-NAME is expected",
        ),
        (
            "init repo",
            3,
            "there is no key for role root: expected root.key, or --key root=PATH",
        ),
    ];
    for (line, code, message) in cases {
        let failed = program(&dir, line).unwrap_err();
        assert!(
            failed.contains(&format!("exit status: {code}")) && failed.contains(message),
            "{line}: {failed}"
        );
    }
}

/// As `acl-release show | head` has it, once `head` has ended.
#[test]
fn a_reader_that_has_gone_is_no_error() {
    let dir = TempDir::new().unwrap();
    program(&dir, "init repo --keys keys --channel stable").unwrap();
    for line in ["show repo", "show repo --json", "refresh repo --keys keys"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let command = Tools::host().command(Tool::Own(env!("CARGO_BIN_EXE_acl-release").into()));
        let command = command.current_dir(dir.path()).args(line.split(' '));
        assert_eq!(command.stdout(writer).run().unwrap(), b"", "{line}");
    }
}
