//! What the publisher makes of a channel: conditions that change, and what it refuses because no node could use it.

use std::num::NonZeroU64;

use acl_host::Who;
use acl_release::channel::{Channel, Offer};
use acl_release::manifest::Manifest;
use acl_release::repository::refresh::Renewal;
use acl_release::repository::store::{Metadata, Store};
use acl_release::trust::keys::Keyring;
use acl_release::trust::roles;
use serde::Serialize;
use tough::schema::{Metafile, Signed};

use crate::site::{BEGIN, Site, error, files, stable, told, version};

fn offer(release: &str) -> Offer {
    Offer::new(version(release), BEGIN.parse().unwrap())
}

/// The channel as the repository has it.
fn channel(site: &Site) -> Channel {
    let store = Store::new(&site.path("repo"));
    store
        .channel(&Metadata::load(&store).unwrap(), &stable())
        .unwrap()
}

#[tokio::test]
async fn what_changes_nothing_says_so_and_writes_nothing() {
    let site = Site::new().await;
    let (publisher, one) = (site.publisher(), version("1"));
    let withdraw = |offer: &mut Offer| offer.withdrawn = Some("breaks DNS".into());
    let pause = || publisher.pause(&stable(), &one).unwrap();
    let resume = || publisher.resume(&stable(), &one).unwrap();
    assert!(!resume());
    assert!(pause());
    let paused = files(&site.path("repo"));
    assert!(!pause());
    assert_eq!(files(&site.path("repo")), paused);
    assert!(resume());
    assert!(publisher.amend(&stable(), &one, withdraw).unwrap());
    let withdrawn = files(&site.path("repo"));
    assert!(!publisher.amend(&stable(), &one, withdraw).unwrap());
    assert_eq!(files(&site.path("repo")), withdrawn);
}

#[tokio::test]
async fn a_withdrawn_release_never_comes_back() {
    let site = Site::new().await;
    let (publisher, one) = (site.publisher(), version("1"));
    let withdraw = |why: &'static str| move |offer: &mut Offer| offer.withdrawn = Some(why.into());
    let amend = |change: &dyn Fn(&mut Offer)| publisher.amend(&stable(), &one, change);
    assert!(amend(&withdraw("breaks DNS")).unwrap());
    let before = files(&site.path("repo"));
    for refused in [
        publisher.resume(&stable(), &one),
        publisher.pause(&stable(), &one),
        amend(&|offer| offer.withdrawn = None),
        amend(&|offer| offer.floor = Some(version("0"))),
    ] {
        let refused = error(refused);
        assert_eq!(
            refused.to_string(),
            "release 1 was withdrawn from channel 'stable' for good (breaks DNS): give the mended build a new version"
        );
        assert_eq!(refused.who(), Who::Operator);
    }
    assert_eq!(files(&site.path("repo")), before);
    // The reason may be told better.
    assert!(amend(&withdraw("breaks DNS over TCP")).unwrap());
    assert_eq!(
        channel(&site).releases[0].withdrawn.as_deref(),
        Some("breaks DNS over TCP")
    );
}

#[tokio::test]
async fn conditions_are_corrected() {
    let site = Site::new().await;
    let (publisher, one) = (site.publisher(), version("1"));
    let corrected = Offer {
        starts: "2027-01-01T00:00:00Z".parse().unwrap(),
        floor: Some(version("0.9")),
        ..offer("1")
    };
    let change = |offer: &mut Offer| *offer = corrected.clone();
    assert!(publisher.amend(&stable(), &one, change).unwrap());
    assert_eq!(channel(&site).releases, std::slice::from_ref(&corrected));
    let read = site.open("node").await.unwrap();
    assert_eq!(read.channel(&stable()).await.unwrap(), channel(&site));
}

/// A floor that is not older than the release offers it to nobody.
#[tokio::test]
async fn a_floor_above_the_release_is_refused() {
    let site = Site::new().await;
    site.release("2", 2);
    let publisher = site.publisher();
    let beta = "beta".parse().unwrap();
    for floor in ["2", "3"] {
        let message = format!(
            "the floor {floor} is not older than release 2 itself, so no node could take it: name the oldest release \
             that may update to it directly"
        );
        let with = Offer {
            floor: Some(version(floor)),
            ..offer("2")
        };
        assert_eq!(told(publisher.promote(&beta, with)), message);
        let amended = publisher.amend(&stable(), &version("2"), |offer| {
            offer.floor = Some(version(floor));
        });
        assert_eq!(told(amended), message);
    }
    assert_eq!(channel(&site).releases[1], offer("2"));
}

/// Another publishing program, or an older one, may have put a release of another image there.
#[tokio::test]
async fn a_release_of_another_image_is_not_promoted() {
    let site = Site::new().await;
    foreign_release(&site, "9");
    let refused = error(site.publisher().promote(&stable(), offer("9")));
    assert_eq!(
        refused.to_string(),
        "release 9 is of image 'other', and channel 'stable' holds releases of image 'acl': nodes take only releases \
         of their own image; publish it in a repository of its own"
    );
    assert_eq!(refused.who(), Who::Operator);
    assert_eq!(channel(&site).releases, [offer("1")]);
    // A channel of its own is as good as a repository.
    let beta = "beta".parse().unwrap();
    site.publisher().promote(&beta, offer("9")).unwrap();
}

/// Lists release 1 once more, as one of another image; signed as everything is.
fn foreign_release(site: &Site, release: &str) {
    let store = Store::new(&site.path("repo"));
    let mut metadata = Metadata::load(&store).unwrap();
    let manifest = Manifest {
        version: version(release),
        image_id: "other".to_owned(),
        ..store.manifests(&metadata).unwrap().remove(0)
    };
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let name = Manifest::target(&manifest.version, &manifest.arch);
    let digest = acl_release::digest::Digest::of(&bytes);
    let (dir, file) = name.rsplit_once('/').unwrap();
    let dir = site.path("repo/targets").join(dir);
    std::fs::create_dir_all(&dir).unwrap();
    acl_host::file::scratch(dir.join(format!("{digest}.{file}")), &bytes).unwrap();
    roles::list(&mut metadata.targets.signed, &name, &bytes).unwrap();
    metadata.targets.signed.version = next(metadata.targets.signed.version);
    let listed = sign(site, "targets", metadata.targets.signed, |role| {
        role.version
    });
    metadata
        .snapshot
        .signed
        .meta
        .insert("targets.json".into(), listed);
    metadata.snapshot.signed.version = next(metadata.snapshot.signed.version);
    let listed = sign(site, "snapshot", metadata.snapshot.signed, |role| {
        role.version
    });
    metadata
        .timestamp
        .signed
        .meta
        .insert("snapshot.json".into(), listed);
    let listed = sign(site, "timestamp", metadata.timestamp.signed, |role| {
        role.version
    });
    let from = store.metadata(&format!("{}.timestamp.json", listed.version));
    std::fs::rename(from, store.metadata("timestamp.json")).unwrap();
    site.publisher().refresh(&[Renewal::Timestamp]).unwrap();
}

fn next(version: NonZeroU64) -> NonZeroU64 {
    version.checked_add(1).unwrap()
}

/// Signs a role, writes it under its version, and says how it is listed.
fn sign<T: Serialize>(site: &Site, name: &str, role: T, version: fn(&T) -> NonZeroU64) -> Metafile {
    let keys = Keyring {
        dir: Some(site.path("keys")),
        ..Keyring::default()
    };
    let key = keys.key(name).unwrap();
    let (signed, bytes): (Signed<T>, _) = roles::sign(name, role, &[&key]).unwrap();
    let version = version(&signed.signed);
    let path = site
        .path("repo/metadata")
        .join(format!("{version}.{name}.json"));
    acl_host::file::scratch(path, &bytes).unwrap();
    roles::metafile(version, &bytes)
}
