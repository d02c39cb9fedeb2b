//! What metadata must say of itself, rule by rule of the client workflow (TUF 1.0 §5.3 to §5.6). It is signed by the keys of
//! its role, unless the signature is what is wrong.

use acl_release::trust::roles::metafile;
use tough::schema::{Root, Snapshot, Targets};

use crate::forge::Forge;
use crate::revocations::kept;
use crate::site::{MEND, Site, stable, told};

/// How the present state is refused, behind the address of the role's file.
async fn refused(site: &Site, role: &str, file: &str) -> String {
    let told = told(async { site.open("node").await?.channel(&stable()).await }.await);
    let url = site.url(&format!("metadata/{file}"));
    let begin = format!("the metadata of role {role} at {url} is refused{MEND}");
    assert!(told.starts_with(&begin), "{told}");
    told[begin.len()..].to_owned()
}

fn unsigned(role: &str) -> String {
    format!(
        ", or the trusted root is another publisher's: Signature threshold of 1 not met for role {role} (0 valid signatures)"
    )
}

#[tokio::test]
async fn a_root_is_the_next_and_signed_by_its_own_keys() {
    let site = Site::new().await;
    let publisher = Forge::of(&site);
    let before = publisher.key("root");
    let mut root: Root = publisher.read("1.root.json");
    root.version = 3.try_into().unwrap();
    publisher.write("2.root.json", root, &[&before]);
    assert_eq!(
        refused(&site, "root", "2.root.json").await,
        ": it is version 3, version 2 is expected"
    );
    std::fs::remove_file(site.path("repo/metadata/2.root.json")).unwrap();
    publisher.root(&["root"], |_| {});
    let root: Root = publisher.read("2.root.json");
    publisher.write("2.root.json", root, &[&before]);
    assert_eq!(
        refused(&site, "root", "2.root.json").await,
        unsigned("root")
    );
}

#[tokio::test]
async fn a_timestamp_lists_the_snapshot_alone_and_no_older_one() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    let publisher = Forge::of(&site);
    let list = |version: u64| {
        publisher.timestamp(|timestamp| {
            let listed = timestamp.meta.get_mut("snapshot.json").unwrap();
            listed.version = version.try_into().unwrap();
        });
    };
    list(2);
    assert_eq!(
        refused(&site, "timestamp", "timestamp.json").await,
        ": it lists version 2 of snapshot.json, and version 3 was listed before"
    );
    list(3);
    publisher.timestamp(|timestamp| {
        let listed = timestamp.meta["snapshot.json"].clone();
        timestamp.meta.insert("more.json".to_owned(), listed);
    });
    assert_eq!(
        refused(&site, "timestamp", "timestamp.json").await,
        ": it lists 2 files, and must list snapshot.json alone"
    );
}

#[tokio::test]
async fn a_snapshot_is_as_it_is_listed_and_signed() {
    let site = Site::new().await;
    let publisher = Forge::of(&site);
    let (key, other) = (publisher.key("snapshot"), publisher.key("targets"));
    let list = |bytes: &[u8]| {
        publisher.timestamp(|timestamp| {
            let listed = metafile(9.try_into().unwrap(), bytes);
            timestamp.meta.insert("snapshot.json".to_owned(), listed);
        });
    };
    let mut snapshot: Snapshot = publisher.read("3.snapshot.json");
    list(&publisher.write("9.snapshot.json", snapshot.clone(), &[&key]));
    let problem = async || refused(&site, "snapshot", "9.snapshot.json").await;
    assert_eq!(problem().await, ": it is version 3, version 9 is expected");
    snapshot.version = 9.try_into().unwrap();
    list(&publisher.write("9.snapshot.json", snapshot.clone(), &[&other]));
    assert_eq!(problem().await, unsigned("snapshot"));
    // It is as long, and the signature holds: the digest is still that of the other one.
    publisher.write("9.snapshot.json", snapshot, &[&key]);
    let problem = problem().await;
    assert!(problem.starts_with(": it has SHA-256 "), "{problem}");
}

/// What is remembered of the snapshot counts by itself, also when the timestamp is gone.
#[tokio::test]
async fn a_snapshot_is_not_older_than_the_one_that_was_seen() {
    let site = Site::new().await;
    let old = Forge::thief(&site);
    Forge::of(&site).snapshot(|_| {});
    site.open("node").await.unwrap();
    std::fs::remove_file(kept(&site, "timestamp.root-1.json")).unwrap();
    old.serve_at(&site);
    assert_eq!(
        refused(&site, "snapshot", "3.snapshot.json").await,
        ": it is version 3, and version 4 was seen before"
    );
}

#[tokio::test]
async fn targets_and_channels_are_as_they_are_listed_and_signed() {
    for role in ["targets", "channel-stable"] {
        let site = Site::new().await;
        let publisher = Forge::of(&site);
        let file = format!("9.{role}.json");
        let (key, other) = (publisher.key(role), publisher.key("channel-beta"));
        let list = |bytes: &[u8]| {
            publisher.snapshot(|snapshot| {
                let listed = metafile(9.try_into().unwrap(), bytes);
                snapshot.meta.insert(format!("{role}.json"), listed);
            });
        };
        let mut targets: Targets = publisher.read(&format!("2.{role}.json"));
        list(&publisher.write(&file, targets.clone(), &[&key]));
        let problem = async || refused(&site, role, &file).await;
        let expected = ": it is version 2, version 9 is expected";
        assert_eq!(problem().await, expected, "{role}");
        targets.version = 9.try_into().unwrap();
        list(&publisher.write(&file, targets.clone(), &[&other]));
        // tough names the kind of role.
        assert_eq!(problem().await, unsigned("targets"), "{role}");
        list(&publisher.write(&file, targets, &[&key]));
        site.open("node").await.unwrap();
    }
}
