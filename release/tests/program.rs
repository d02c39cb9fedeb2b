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
    let ran = command
        .current_dir(dir.path())
        .env("XDG_DATA_HOME", dir.path().join("data"))
        .args(line.split(' '))
        .run();
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
        "made repo; nodes trust repo/metadata/1.root.json\nthe keys are in keys\n"
    );
    let add = "add repo --keys keys --build 1.0 --level 1";
    assert!(run(add).starts_with("added 1.0 for x86-64: "));
    assert_eq!(
        run(add),
        "1.0 for x86-64 is in the repository already; nothing changed\n"
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
        .wait(Duration::from_secs(120))
        .unwrap()
        .expect("the server ends");
    assert!(status.success(), "{status}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a line a case")]
fn exit_codes_and_messages() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("checkout/.git")).unwrap();
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
        (
            "check none --within soon",
            2,
            "invalid value 'soon' for '--within <TIME>': write a number and its unit, such as 1h, 7d or 1y",
        ),
        (
            "refresh none --timestamp-expires week",
            2,
            "'--timestamp-expires <TIME>': write a number and its unit, such as 1h, 7d or 1y",
        ),
        ("add none --build x --level 20", 2, "20 is not in 1..=19"),
        (
            "refresh none --role king",
            2,
            "root, targets, snapshot, timestamp or channel-NAME is expected",
        ),
        (
            "init repo --keys repo/keys",
            3,
            "the keys in repo/keys lie in the repository repo, where everyone may read them: choose a directory \
             outside of it",
        ),
        (
            "init repo --key root=repo/root.key",
            3,
            "the keys in repo/root.key lie in the repository repo, ",
        ),
        (
            "init repo --keys checkout/keys",
            3,
            "checkout/keys lies in the git work tree ",
        ),
        (
            "amend none 1 --channel stable",
            2,
            "the following required arguments were not provided",
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

/// Nothing that an operator changes ends in a message that says otherwise.
#[test]
#[expect(clippy::too_many_lines, reason = "a table, a line a case")]
fn each_change_of_a_channel_says_what_it_did() {
    let dir = TempDir::new().unwrap();
    build(dir.path(), "1.0", 1);
    let run = |line: &str| program(&dir, line).unwrap();
    assert_eq!(
        run("init repo"),
        format!(
            "made repo; nodes trust repo/metadata/1.root.json\nthe keys are in {}\n",
            dir.path().join("data/acl/release-keys").display()
        )
    );
    run("add repo --build 1.0 --level 1");
    for (line, printed) in [
        ("promote repo 1.0", "1.0 is in channel stable\n"),
        (
            "resume repo 1.0",
            "1.0 is offered in channel stable already; nothing changed\n",
        ),
        ("pause repo 1.0", "1.0 is paused in channel stable\n"),
        (
            "pause repo 1.0",
            "1.0 is paused in channel stable already; nothing changed\n",
        ),
        ("resume repo 1.0", "1.0 is offered in channel stable\n"),
        (
            "amend repo 1.0 --floor 0.9 --starts 2027-01-01T00:00:00Z",
            "1.0 is offered as asked in channel stable\n",
        ),
        (
            "amend repo 1.0 --floor 0.9",
            "1.0 is offered as asked in channel stable already; nothing changed\n",
        ),
        (
            "withdraw repo 1.0 --reason DNS",
            "1.0 is withdrawn in channel stable\n",
        ),
        (
            "withdraw repo 1.0 --reason DNS",
            "1.0 is withdrawn in channel stable already; nothing changed\n",
        ),
    ] {
        assert_eq!(run(&format!("{line} --channel stable")), printed, "{line}");
    }
    let shared = program(&dir, "init other --channel beta").unwrap_err();
    let keys = dir.path().join("data/acl/release-keys");
    let expected = format!(
        "the key {0}/root.key is there already and may be another repository's: two repositories that share a key can \
         stand in for each other; name a directory for the keys of this one by --keys DIR, or use those that are there \
         by --keys {0}",
        keys.display()
    );
    assert!(
        shared.contains("exit status: 3") && shared.contains(&expected),
        "{shared}"
    );
    assert!(!keys.join("channel-beta.key").exists());
    let other = format!(
        "init other --channel beta --channel stable --keys {}",
        keys.display()
    );
    run(&other);
    assert!(run("show other").ends_with(
        "channel  beta             offers nothing\nchannel  stable           offers nothing\n"
    ));
    let shown = run("show repo");
    let channel = shown.lines().last().unwrap();
    assert_eq!(
        channel,
        "channel  stable           1.0 from 2027-01-01T00:00:00Z, floor 0.9, withdrawn: DNS"
    );
    for verb in ["resume", "pause", "amend --no-floor"] {
        let failed = program(&dir, &format!("{verb} repo 1.0 --channel stable")).unwrap_err();
        assert!(
            failed.contains("exit status: 3")
                && failed.contains(
                    "release 1.0 was withdrawn from channel 'stable' for good (DNS): give the mended build a new version"
                ),
            "{failed}"
        );
    }
}

#[test]
fn keys_are_made_in_a_work_tree_only_when_told() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("checkout/.git")).unwrap();
    let init = "init repo --keys checkout/keys";
    program(&dir, init).unwrap_err();
    assert!(!dir.path().join("repo").exists());
    assert!(!dir.path().join("checkout/keys").exists());
    program(&dir, &format!("{init} --in-work-tree")).unwrap();
    assert!(dir.path().join("checkout/keys/root.key").exists());
}

#[test]
fn what_has_expired_is_marked_and_fails_a_check() {
    let dir = TempDir::new().unwrap();
    let run = |line: &str| program(&dir, line).unwrap();
    run("init repo");
    let checked = run("check repo");
    assert!(
        checked.starts_with("nothing has expired at ")
            && checked.contains("; timestamp is the first, at "),
        "{checked}"
    );
    assert!(!run("show repo").contains("EXPIRED"));
    let soon = program(&dir, "check repo --within 8d").unwrap_err();
    assert!(
        soon.contains("exit status: 5")
            && soon.contains(": timestamp; run `acl-release refresh` with --role for each"),
        "{soon}"
    );
    run("refresh repo --timestamp-expires 0s --snapshot-expires 0s");
    let expired = program(&dir, "check repo").unwrap_err();
    assert!(
        expired.contains("exit status: 5") && expired.contains(": snapshot, timestamp; run "),
        "{expired}"
    );
    let shown = run("show repo");
    let marked: Vec<&str> = shown
        .lines()
        .filter(|line| line.ends_with("  EXPIRED"))
        .collect();
    assert_eq!(marked.len(), 2, "{shown}");
    assert!(
        marked[0].starts_with("role     snapshot         version 2      expired "),
        "{shown}"
    );
    let json: serde_json::Value = serde_json::from_str(&run("show repo --json")).unwrap();
    let expired: Vec<bool> = (0..5)
        .map(|at| json["roles"][at]["expired"].as_bool().unwrap())
        .collect();
    assert_eq!(expired, [false, false, true, true, false]);
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
