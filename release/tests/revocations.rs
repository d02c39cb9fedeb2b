//! What a node has verified stays: keys that a root revoked are revoked, and no version goes back, whatever fails later,
//! from whichever address it came, and whichever root the image ships.

use std::path::PathBuf;

use acl_release::Error;
use acl_release::repository::refresh::Renewal;
use tough::schema::Timestamp;

use crate::forge::Forge;
use crate::site::{BEGIN, MEND, Site, copy, error, files, flip, http, told};
use crate::web::{Web, answer};

const ONLINE: [&str; 2] = ["timestamp", "snapshot"];

/// How metadata is refused that was signed by a key that is not the role's.
fn foreign(web: &Web, role: &str) -> String {
    foreign_file(web, role, &format!("{role}.json"))
}

fn foreign_file(web: &Web, role: &str, file: &str) -> String {
    format!(
        "the metadata of role {role} at {} is refused{MEND}, or the trusted root is another publisher's: Signature threshold of 1 not met for role {role} (0 valid signatures)",
        web.url(&format!("metadata/{file}"))
    )
}

/// A file in the directory of the one publisher that a node knows.
pub(crate) fn kept(site: &Site, name: &str) -> PathBuf {
    let entries = std::fs::read_dir(site.path("node")).unwrap();
    let mut dirs = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir());
    let publisher = dirs.next().unwrap();
    assert_eq!(dirs.next(), None);
    publisher.join(name)
}

/// The thief's newest metadata must be refused, although it was never seen, and holds.
async fn thief_is_refused(site: &Site, thief: &Forge) {
    thief.snapshot(|_| {});
    thief.serve_at(site);
    assert_eq!(
        told(site.open("node").await),
        foreign(&site.web, "timestamp")
    );
    // To a node that never saw the newer root, it is good.
    site.open("another-node").await.unwrap();
}

/// TUF 5.3.8 comes before 5.3.10.
#[tokio::test]
async fn keys_that_an_expired_root_revoked_stay_revoked() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    let thief = Forge::thief(&site);
    copy(&site.path("repo"), &site.path("honest"));
    let publisher = Forge {
        repo: site.path("honest"),
        ..Forge::of(&site)
    };
    publisher.root(&ONLINE, |root| root.expires = BEGIN.parse().unwrap());
    publisher.serve_at(&site);
    let is_refused = async || {
        let expired = error(site.open("node").await);
        let Error::Expired { role, url, .. } = &expired else {
            panic!("{expired}");
        };
        assert_eq!(role, "root");
        assert_eq!(url.as_str(), site.url("metadata/2.root.json"));
    };
    is_refused().await;
    // The thief's repository ends at root 1, which holds.
    thief.snapshot(|_| {});
    thief.serve_at(&site);
    is_refused().await;
    site.open("another-node").await.unwrap();
    // The publisher goes on from root 2.
    publisher.root(&[], |root| {
        root.expires = "2027-11-01T00:00:00Z".parse().unwrap()
    });
    publisher.snapshot(|_| {});
    publisher.serve_at(&site);
    site.open("node").await.unwrap();
    thief_is_refused(&site, &thief).await;
}

#[tokio::test]
async fn revoked_keys_stay_revoked_when_what_follows_the_root_fails() {
    for (what, role) in [("timestamp", "timestamp"), ("snapshot", "snapshot")] {
        let site = Site::new().await;
        site.open("node").await.unwrap();
        let thief = Forge::thief(&site);
        let publisher = Forge::of(&site);
        publisher.root(&ONLINE, |_| {});
        if what == "timestamp" {
            publisher.snapshot(|_| {});
            publisher.timestamp(|timestamp| timestamp.expires = BEGIN.parse().unwrap());
        } else {
            publisher.snapshot(|snapshot| snapshot.expires = BEGIN.parse().unwrap());
        }
        let expired = error(site.open("node").await);
        assert!(
            matches!(&expired, Error::Expired { role: found, .. } if found == role),
            "{expired}"
        );
        thief_is_refused(&site, &thief).await;
    }
}

/// The second address hides the root that the first one showed.
#[tokio::test]
async fn revoked_keys_stay_revoked_for_the_next_address() {
    let site = Site::new().await;
    let thief = Forge::thief(&site);
    thief.snapshot(|_| {});
    let mirror = Web::new(thief.repo.clone()).await;
    let publisher = Forge::of(&site);
    publisher.root(&ONLINE, |_| {});
    publisher.snapshot(|_| {});
    publisher.timestamp(|timestamp| timestamp.expires = BEGIN.parse().unwrap());
    let addresses = [site.web.base(), mirror.base()];
    let Error::Everywhere { failures } = error(site.open_from("node", &addresses, http()).await)
    else {
        panic!("one error for each address");
    };
    assert!(matches!(&failures[0], Error::Expired { role, .. } if role == "timestamp"));
    assert_eq!(
        acl_host::error::chain(&failures[1]),
        foreign(&mirror, "timestamp")
    );
}

/// TUF 5.3.11: versions that a thief made as high as can be do not count once the keys are new.
#[tokio::test]
async fn high_versions_are_forgotten_with_the_keys_that_signed_them() {
    let site = Site::new().await;
    let thief = Forge::thief(&site);
    thief.snapshot(|snapshot| snapshot.version = 1000.try_into().unwrap());
    thief.timestamp(|timestamp| timestamp.version = 1000.try_into().unwrap());
    let honest = site.path("honest");
    copy(&site.path("repo/metadata"), &honest.join("metadata"));
    thief.serve_at(&site);
    site.open("node").await.unwrap();
    let before = ["timestamp.root-1.json", "snapshot.root-1.json"];
    let before = before.map(|name| (name, std::fs::read(kept(&site, name)).unwrap()));
    let publisher = Forge {
        repo: honest,
        ..Forge::of(&site)
    };
    publisher.serve_at(&site);
    let older = told(site.open("node").await);
    assert!(
        older.ends_with(": it is version 3, and version 1000 was seen before"),
        "{older}"
    );
    publisher.root(&ONLINE, |_| {});
    publisher.snapshot(|_| {});
    publisher.serve_at(&site);
    site.open("node").await.unwrap();
    let names = || {
        let files = files(kept(&site, "").as_path());
        let mut names: Vec<_> = files
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let expected = [
        "1.root.json",
        "2.root.json",
        "snapshot.root-2.json",
        "timestamp.root-2.json",
    ];
    assert_eq!(names(), expected);
    // A power cut after the root was written, and before the rest was removed.
    for name in &expected[2..] {
        std::fs::remove_file(kept(&site, name)).unwrap();
    }
    for (name, bytes) in &before {
        acl_host::file::scratch(kept(&site, name), bytes).unwrap();
    }
    site.open("node").await.unwrap();
    assert_eq!(names(), expected);
}

/// TUF 5.4.5: a newer timestamp counts though its snapshot cannot be read.
#[tokio::test]
async fn a_timestamp_is_remembered_when_its_snapshot_fails() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    let old = Forge::thief(&site);
    Forge::of(&site).snapshot(|_| {});
    flip(&site.path("repo/metadata/4.snapshot.json"), 100);
    let failed = told(site.open("node").await);
    assert!(
        failed.starts_with("the metadata of role snapshot at "),
        "{failed}"
    );
    old.serve_at(&site);
    let expected = format!(
        "the metadata of role timestamp at {} is refused{MEND}: it is version 3, and version 4 was seen before",
        site.url("metadata/timestamp.json")
    );
    assert_eq!(told(site.open("node").await), expected);
}

/// TUF 5.5.7: a newer snapshot counts though the targets that it lists cannot be read.
#[tokio::test]
async fn a_snapshot_is_remembered_when_its_targets_fail() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    let publisher = Forge::of(&site);
    let old: tough::schema::Snapshot = publisher.read("3.snapshot.json");
    publisher.targets("targets", |_| {});
    flip(&site.path("repo/metadata/3.targets.json"), 100);
    let failed = told(site.open("node").await);
    assert!(
        failed.starts_with("the metadata of role targets at "),
        "{failed}"
    );
    let newer: tough::schema::Snapshot = publisher.read("4.snapshot.json");
    publisher.snapshot(|snapshot| snapshot.meta = old.meta);
    let expected = format!(
        "the metadata of role snapshot at {} is refused{MEND}: it lists version 2 of targets.json, and version 3 was listed before",
        site.url("metadata/5.snapshot.json")
    );
    assert_eq!(told(site.open("node").await), expected);
    publisher.snapshot(|snapshot| {
        snapshot.meta = newer.meta;
        snapshot.meta.remove("channel-beta.json");
    });
    let refused = told(site.open("node").await);
    assert!(
        refused.ends_with(": it does not list channel-beta.json"),
        "{refused}"
    );
}

/// A timestamp of the same version brings nothing new, also when its signature holds (TUF 5.4.3.1).
#[tokio::test]
async fn another_timestamp_of_the_same_version_does_not_count() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    let publisher = Forge::of(&site);
    let version = publisher.read::<Timestamp>("timestamp.json").version;
    publisher.timestamp(|timestamp| {
        timestamp.version = version;
        timestamp.meta.get_mut("snapshot.json").unwrap().version = 99.try_into().unwrap();
    });
    site.open("node").await.unwrap();
    let told = told(site.open("another-node").await);
    assert!(
        told.contains("404 Not Found for ") && told.contains("/99.snapshot.json"),
        "{told}"
    );
}

/// The image that a node goes back to ships root 1, whose keys were retired since.
#[tokio::test]
async fn a_root_of_a_retired_key_is_not_taken_after_a_rollback() {
    let site = Site::new().await;
    let thief = Forge::thief(&site);
    thief.root(&ONLINE, |_| {});
    thief.snapshot(|_| {});
    let publisher = Forge::of(&site);
    for _ in 0..2 {
        publisher.root(&["root", "timestamp", "snapshot"], |_| {});
    }
    publisher.snapshot(|_| {});
    let metadata = site.path("repo/metadata");
    std::fs::copy(metadata.join("3.root.json"), site.path("root.json")).unwrap();
    site.open("image-with-root-3").await.unwrap();
    std::fs::remove_file(site.path("root.json")).unwrap();
    site.open("node").await.unwrap();
    let asked = site.asked("metadata/2.root.json");
    thief.serve_at(&site);
    // The shipped root is root 1 again; the thief's root 2 is not even asked for.
    assert_eq!(
        told(site.open("node").await),
        foreign(&site.web, "timestamp")
    );
    assert_eq!(site.asked("metadata/2.root.json"), asked);
    // One that is asked for is refused: a thief cannot make the next one.
    let forged = thief.read::<tough::schema::Root>("2.root.json");
    let next = tough::schema::Root {
        version: 4.try_into().unwrap(),
        ..forged
    };
    thief.write("4.root.json", next, &[&thief.key("root")]);
    thief.serve_at(&site);
    let refused = told(site.open("node").await);
    assert!(
        refused.starts_with("the metadata of role root at "),
        "{refused}"
    );
}

/// An image that ships a newer root than the node has seen, and the way back.
#[tokio::test]
async fn a_newer_root_that_was_shipped_stays_after_a_rollback() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    let thief = Forge::thief(&site);
    let publisher = Forge::of(&site);
    publisher.root(&ONLINE, |_| {});
    publisher.root(&[], |_| {});
    publisher.snapshot(|_| {});
    let metadata = site.path("repo/metadata");
    for (image, expected) in [(3, 3), (1, 3), (2, 3), (3, 3)] {
        let shipped = metadata.join(format!("{image}.root.json"));
        std::fs::copy(shipped, site.path("root.json")).unwrap();
        site.open("node").await.unwrap();
        assert!(kept(&site, &format!("{expected}.root.json")).exists());
    }
    std::fs::remove_file(site.path("root.json")).unwrap();
    thief_is_refused(&site, &thief).await;
}

/// The server hides the roots between the one that the node knows and the one that its image ships.
#[tokio::test]
async fn a_newer_root_that_was_shipped_counts_by_itself() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    let publisher = Forge::of(&site);
    publisher.root(&ONLINE, |_| {});
    publisher.root(&[], |_| {});
    publisher.snapshot(|_| {});
    let metadata = site.path("repo/metadata");
    std::fs::rename(metadata.join("3.root.json"), site.path("root.json")).unwrap();
    std::fs::remove_file(metadata.join("2.root.json")).unwrap();
    site.open("node").await.unwrap();
    assert_eq!(site.asked("metadata/4.root.json"), 1);
}

/// Each publisher has its own chain; that of one says nothing about the other.
#[tokio::test]
async fn a_root_of_another_publisher_begins_a_chain_of_its_own() {
    let (site, other) = (Site::new().await, Site::new().await);
    site.publisher().refresh(&[Renewal::Root]).unwrap();
    site.open("node").await.unwrap();
    // The node is told to trust another publisher: the newer root that it knows is not that one's.
    let root = other.path("repo/metadata/1.root.json");
    std::fs::copy(root, site.path("root.json")).unwrap();
    let addresses = [other.web.base()];
    site.open_from("node", &addresses, http()).await.unwrap();
    assert_eq!(
        told(site.open("node").await),
        foreign_file(&site.web, "root", "2.root.json")
    );
    // And back: what was known of the first one counts again.
    std::fs::remove_file(site.path("root.json")).unwrap();
    std::fs::remove_file(site.path("repo/metadata/2.root.json")).unwrap();
    site.open("node").await.unwrap();
    assert_eq!(site.asked("metadata/3.root.json"), 2);
}

/// Only 404 says that there is no newer root: any other answer could keep back that keys were revoked.
#[tokio::test]
async fn a_server_that_does_not_say_whether_there_is_a_newer_root() {
    let site = Site::new().await;
    for status in [401, 403, 410] {
        site.lie(move |path, _, _| {
            (path == "/metadata/2.root.json").then(|| answer(status, &[], Vec::new()))
        });
        let refused = error(site.open("node").await);
        assert!(
            matches!(&refused, Error::Status { status: found, .. } if found.as_u16() == status),
            "{refused}"
        );
    }
    site.honest();
    site.open("node").await.unwrap();
    assert_eq!(site.asked("metadata/2.root.json"), 4);
}
