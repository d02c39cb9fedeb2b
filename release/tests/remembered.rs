//! What a node remembers of a repository: no more than it needs, and nothing that is damaged is passed over.

use acl_release::repository::refresh::Renewal;

use crate::revocations::kept;
use crate::site::{Site, error, files, stable};

/// What cannot be understood of what a node remembers is an error that says what to do; nothing is forgotten in silence.
#[tokio::test]
async fn damaged_memory_is_an_error() {
    let site = Site::new().await;
    site.publisher().refresh(&[Renewal::Root]).unwrap();
    let repository = site.open("node").await.unwrap();
    repository.remember_time().await.unwrap();
    let file = |name: &str| match name {
        "time" => site.path("node/time"),
        name => kept(&site, name),
    };
    let parse = "it is not TUF metadata: EOF while parsing a string at line 1 column 5";
    let other = "it is version 1";
    let root_1 = std::fs::read(file("1.root.json")).unwrap();
    let changed = std::fs::read_to_string(file("timestamp.root-2.json")).unwrap();
    let changed = changed.replace("\"version\":3", "\"version\":2");
    let unsigned = "its signature does not hold";
    for (name, bytes, problem) in [
        ("1.root.json", b"{\"sig".as_slice(), parse),
        ("2.root.json", b"{\"sig", parse),
        ("2.root.json", &root_1, other),
        ("timestamp.root-2.json", b"{\"sig", parse),
        ("timestamp.root-2.json", changed.as_bytes(), unsigned),
        ("snapshot.root-2.json", b"{\"sig", parse),
        ("time", b"yesterday", "it holds no time"),
    ] {
        let path = file(name);
        let good = std::fs::read(&path).unwrap();
        acl_host::file::scratch(&path, bytes).unwrap();
        let dir = site.path("node");
        let expected = format!(
            "what this node remembers of the repository is damaged, {}: {problem}; restore it from a copy, or remove {}: the node then trusts the root of its image again, and no longer knows which keys were revoked and what was newest",
            path.display(),
            dir.display()
        );
        let failed = error(site.open("node").await);
        assert_eq!(failed.to_string(), expected, "{name}");
        assert_eq!(failed.who(), acl_host::Who::Operator);
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name} stays");
        acl_host::file::scratch(&path, &good).unwrap();
    }
    // What was advised helps.
    std::fs::remove_dir_all(site.path("node")).unwrap();
    site.open("node").await.unwrap();
}

/// A root that is lost is noticed, also when the keys of the other roles are the same in the one before.
#[tokio::test]
async fn a_root_that_is_missing_is_an_error() {
    let site = Site::new().await;
    site.publisher().refresh(&[Renewal::Root]).unwrap();
    site.open("node").await.unwrap();
    std::fs::remove_file(kept(&site, "2.root.json")).unwrap();
    let failed = error(site.open("node").await).to_string();
    let expected = format!(
        "what this node remembers of the repository is damaged, {}: the root that it was verified under is missing; ",
        kept(&site, "timestamp.root-2.json").display()
    );
    assert!(failed.starts_with(&expected), "{failed}");
}

/// It is signed by its own keys, and not by those of the root before it.
#[tokio::test]
async fn a_root_of_another_chain_is_an_error() {
    let (site, other) = (Site::new().await, Site::new().await);
    for site in [&site, &other] {
        site.publisher().refresh(&[Renewal::Root]).unwrap();
    }
    site.open("node").await.unwrap();
    let path = kept(&site, "2.root.json");
    std::fs::copy(other.path("repo/metadata/2.root.json"), &path).unwrap();
    let failed = error(site.open("node").await).to_string();
    let expected = format!(
        "what this node remembers of the repository is damaged, {}: the root before it did not sign it; ",
        path.display()
    );
    assert!(failed.starts_with(&expected), "{failed}");
}

/// Only what is needed is remembered, however often the repository changes; what interrupted writes left goes.
#[tokio::test]
async fn what_is_remembered_does_not_grow() {
    let site = Site::new().await;
    for _ in 0..20 {
        site.publisher()
            .refresh(&[
                Renewal::Snapshot,
                Renewal::Targets,
                Renewal::Channel(stable()),
            ])
            .unwrap();
        site.open("node")
            .await
            .unwrap()
            .channel(&stable())
            .await
            .unwrap();
    }
    for left in [
        kept(&site, ".timestamp.root-1.json.new"),
        site.path("node/.time.new"),
    ] {
        acl_host::file::scratch(left, b"{").unwrap();
    }
    // The form of earlier versions of this program.
    for old in [
        "root.json",
        "7.targets.json",
        "latest_known_time.json",
        "ancestor",
    ] {
        acl_host::file::scratch(site.path("node").join(old), b"{}").unwrap();
    }
    std::fs::create_dir(site.path("node/.copy-x1y2")).unwrap();
    site.open("node").await.unwrap();
    let dir = kept(&site, "");
    let mut expected = vec![site.path("node/.lock")];
    expected.extend(
        [
            "1.root.json",
            "snapshot.root-1.json",
            "timestamp.root-1.json",
        ]
        .map(|name| dir.join(name)),
    );
    let mut found = files(&site.path("node"));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert!(!site.path("node/.copy-x1y2").exists());
}
