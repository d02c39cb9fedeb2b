//! The publisher: what it refuses, what it leaves out, and that readers never meet half of a change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use acl_host::Who;
use acl_release::channel::{Channel, MOST_RELEASES, Offer};
use acl_release::choose::{Reason, Stand, choose};
use acl_release::repository::add::Outcome;
use acl_release::repository::publish::Publisher;
use acl_release::repository::refresh::Renewal;
use acl_release::repository::store::{Metadata, Store};
use acl_release::trust::keys::{KeySource, Keyring};
use acl_release::trust::roles::Lifetimes;

use crate::forge::Forge;
use crate::site::{BEGIN, EFFORT, Site, build, error, files, flip, stable, told, version};

#[tokio::test]
async fn a_release_is_paused_resumed_and_withdrawn() {
    let site = Site::new().await;
    site.release("2", 2);
    let stand = Stand {
        running: version("1"),
        failed: Default::default(),
    };
    let decide = async || {
        let channel = site
            .open("node")
            .await
            .unwrap()
            .channel(&stable())
            .await
            .unwrap();
        let decision = choose(&stand, &channel, BEGIN.parse().unwrap());
        (decision.take.clone(), decision.verdicts[0].reason.clone())
    };
    assert_eq!(decide().await, (Some(version("2")), Reason::Newest));
    let two = version("2");
    assert!(site.publisher().pause(&stable(), &two).unwrap());
    assert_eq!(decide().await, (None, Reason::Paused));
    assert!(site.publisher().resume(&stable(), &two).unwrap());
    assert_eq!(decide().await, (Some(version("2")), Reason::Newest));
    let withdraw = |offer: &mut Offer| offer.withdrawn = Some("breaks DNS".into());
    assert!(site.publisher().amend(&stable(), &two, withdraw).unwrap());
    assert_eq!(
        decide().await,
        (None, Reason::Withdrawn("breaks DNS".into()))
    );
}

#[tokio::test]
async fn what_cannot_be_published() {
    let site = Site::new().await;
    let publisher = site.publisher();
    let offer = |text| Offer::new(version(text), BEGIN.parse().unwrap());
    assert_eq!(
        told(publisher.init(&[stable()])),
        format!(
            "{} exists already: a repository is made only once",
            site.path("repo").display()
        )
    );
    assert_eq!(
        told(publisher.promote(&stable(), offer("7"))),
        "the repository has no release 7: run `acl-release add` first"
    );
    assert_eq!(
        told(publisher.promote(&stable(), offer("1"))),
        "channel 'stable' has release 1 already: change its conditions by `acl-release amend`"
    );
    assert_eq!(
        told(publisher.promote(&"x".parse().unwrap(), offer("1"))),
        "the repository has no channel 'x'; it has beta, stable"
    );
    let amended = publisher.amend(&stable(), &version("7"), |_| {});
    assert_eq!(
        told(amended),
        "channel 'stable' does not offer release 7: run `acl-release promote` first"
    );
}

/// The publisher of a channel that nodes would refuse would stop all that follow it.
#[tokio::test]
async fn what_no_node_would_read_is_not_published() {
    let site = Site::new().await;
    let full = |count: usize| {
        let mut channel = Channel::empty(stable());
        let offer = |n: usize| Offer::new(version(&format!("0.{n}")), BEGIN.parse().unwrap());
        channel.releases = (0..count).map(offer).collect();
        let document = serde_json::to_vec(&channel).unwrap();
        Forge::of(&site).document("channel-stable", "channels/stable.json", &document);
    };
    let offer = || Offer::new(version("1"), BEGIN.parse().unwrap());
    full(MOST_RELEASES);
    assert_eq!(
        told(site.publisher().promote(&stable(), offer())),
        "channel 'stable' has 1000 releases, and nodes read no channel with more: promote the release to another \
         channel, of this repository or of a new one, and have the nodes follow that one"
    );
    full(MOST_RELEASES - 1);
    site.publisher().promote(&stable(), offer()).unwrap();
    let read = async || site.open("node").await.unwrap().channel(&stable()).await;
    assert_eq!(read().await.unwrap().releases.len(), MOST_RELEASES);

    let long = |offer: &mut Offer| offer.withdrawn = Some("x".repeat(512 * 1024));
    let refused = told(site.publisher().amend(&stable(), &version("1"), long));
    assert!(
        refused.starts_with("channels/stable.json would be ")
            && refused.ends_with(
                " bytes long, and nodes read 524288 at most: give shorter reasons for releases that are withdrawn"
            ),
        "{refused}"
    );
    assert_eq!(read().await.unwrap().releases.len(), MOST_RELEASES);
}

#[tokio::test]
async fn a_build_whose_manifest_no_node_would_read_is_not_added() {
    let site = Site::new().await;
    let built = build(&site.path("elsewhere"), "2", 9);
    let description = built.join("acl_2.json");
    let written = std::fs::read(&description).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut description_of = serde_json::from_slice(&written).unwrap();
        change(&mut description_of);
        let text = description_of.to_string();
        acl_host::file::scratch(&description, text.as_bytes()).unwrap();
        told(site.publisher().add(&built, &EFFORT, &mut |_| {}))
    };
    let package = serde_json::json!({"name": "x".repeat(1000), "version": "1", "arch": "amd64"});
    let refused = with(&|d| d["packages"] = vec![package.clone(); 1024].into());
    assert!(
        refused.starts_with("releases/2/x86-64.json would be ")
            && refused.ends_with(
                " bytes long, and nodes read 1048576 at most: list fewer packages in the build's description"
            ),
        "{refused}"
    );
    let refused = with(&|d| d["image_id"] = "x".repeat(65).into());
    let expected = "the names of its image and architecture have 65 and 6 bytes, and nodes read 64 at most: choose \
                    shorter ones";
    assert!(refused.ends_with(expected), "{refused}");
    let metadata = Metadata::load(&Store::new(&site.path("repo"))).unwrap();
    assert!(!metadata.has_release(&version("2")));
}

#[tokio::test]
async fn a_version_is_not_taken_twice() {
    let site = Site::new().await;
    let before = files(&site.path("repo"));
    let other = build(&site.path("elsewhere"), "1", 9);
    assert_eq!(
        told(site.publisher().add(&other, &EFFORT, &mut |_| {})),
        "release 1 for x86-64 is in the repository already, with other content: give the new build a new version"
    );
    // It was packed before its version was looked up; nothing else was written.
    let after = files(&site.path("repo"));
    let new = after.iter().filter(|path| !before.contains(path));
    assert!(new.clone().count() > 0);
    let blobs = site.path("repo/blobs");
    assert!(new.clone().all(|path| path.starts_with(&blobs)));
}

#[tokio::test]
async fn what_is_there_is_not_packed_again() {
    let site = Site::new().await;
    let times = || -> BTreeMap<_, _> {
        files(&site.path("repo"))
            .into_iter()
            .map(|path| {
                (
                    path.clone(),
                    std::fs::metadata(path).unwrap().modified().unwrap(),
                )
            })
            .collect()
    };
    let before = times();
    let again = site
        .publisher()
        .add(&site.path("builds/1"), &EFFORT, &mut |_| {})
        .unwrap();
    assert_eq!(again.outcome, Outcome::Unchanged);
    assert_eq!(times(), before);
    // Another release with the same files takes over its blobs.
    let blobs = || files(&site.path("repo/blobs")).len();
    let count = blobs();
    assert_eq!(site.release("2", 1).artifacts, again.manifest.artifacts);
    assert_eq!(blobs(), count);
}

/// A blob that lost a bit is no blob, though it has its name and its size.
#[tokio::test]
async fn a_damaged_blob_is_written_anew() {
    let site = Site::new().await;
    let blobs = files(&site.path("repo/blobs"));
    assert_eq!(blobs.len(), 8);
    for (at, blob) in blobs.iter().enumerate() {
        let whole = std::fs::read(blob).unwrap();
        flip(blob, whole.len() / 2);
        if at % 2 == 0 {
            let build = site.path("builds/1");
            let added = site.publisher().add(&build, &EFFORT, &mut |_| {}).unwrap();
            assert_eq!(added.outcome, Outcome::Mended(1));
        } else {
            site.release(&format!("1.{at}"), 1);
        }
        assert!(std::fs::read(blob).unwrap() == whole, "{}", blob.display());
    }
}

#[tokio::test]
async fn keys_that_are_missing_or_foreign() {
    let site = Site::new().await;
    let timestamp = site.path("keys/timestamp.key");
    let before = files(&site.path("repo/metadata")).len();
    std::fs::copy(site.path("keys/root.key"), &timestamp).unwrap();
    let refused = error(
        site.publisher()
            .refresh(&[Renewal::Snapshot, Renewal::Timestamp]),
    );
    assert_eq!(refused.who(), Who::Operator);
    let expected = format!(
        "the key of role timestamp ({}) is not among those that the repository trusts for it",
        timestamp.display()
    );
    assert_eq!(refused.to_string(), expected);
    acl_host::file::scratch(&timestamp, b"garbage").unwrap();
    assert!(
        told(site.publisher().refresh(&[Renewal::Timestamp]))
            .contains("timestamp.key is not an Ed25519 private key in PKCS#8")
    );
    std::fs::remove_file(&timestamp).unwrap();
    assert!(
        told(site.publisher().refresh(&[Renewal::Timestamp]))
            .starts_with("there is no key for role timestamp: expected ")
    );
    assert_eq!(files(&site.path("repo/metadata")).len(), before);
}

/// Promoting takes the keys of the channel, snapshot and timestamp; those of root and targets stay where builds are.
#[tokio::test]
async fn promoting_needs_no_key_of_building() {
    let site = Site::new().await;
    let build = build(&site.path("builds"), "2", 2);
    site.publisher().add(&build, &EFFORT, &mut |_| {}).unwrap();
    for role in ["root", "targets", "channel-beta"] {
        std::fs::remove_file(site.path("keys").join(format!("{role}.key"))).unwrap();
    }
    site.publisher()
        .promote(&stable(), Offer::new(version("2"), BEGIN.parse().unwrap()))
        .unwrap();
    assert_eq!(
        site.open("node")
            .await
            .unwrap()
            .channel(&stable())
            .await
            .unwrap()
            .releases
            .len(),
        2
    );
}

/// A signing command by openssl, as an operator would put one before a hardware module.
#[tokio::test]
async fn a_command_signs() {
    let site = Site::new().await;
    let (key, script) = (site.path("keys/timestamp.key"), site.path("hsm"));
    let text = format!(
        "#!/bin/sh\nset -e\ncase $2 in\npublic) openssl pkey -in {0} -pubout -outform DER | tail -c 32 ;;\n\
         sign) cat > $1; openssl pkeyutl -sign -rawin -inkey {0} -in $1 | base64 -w0 ;;\nesac\n",
        key.with_extension("hidden").display()
    );
    acl_host::file::scratch(&script, text.as_bytes()).unwrap();
    std::fs::rename(&key, key.with_extension("hidden")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let publisher = |command: String| site.publisher_with("timestamp", KeySource::Command(command));
    publisher(format!(
        "{} {}",
        script.display(),
        site.path("message").display()
    ))
    .refresh(&[Renewal::Timestamp])
    .unwrap();
    site.open("node").await.unwrap();
    let failed = error(publisher("/bin/false".to_owned()).refresh(&[Renewal::Timestamp]));
    assert_eq!(failed.who(), Who::Operator);
    assert!(
        failed
            .to_string()
            .starts_with("the command /bin/false for the key of role timestamp failed: "),
        "{failed}"
    );
    let failed = error(publisher("/bin/echo hello".to_owned()).refresh(&[Renewal::Timestamp]));
    assert!(
        failed
            .to_string()
            .contains(" public prints 13 bytes that are not 32 bytes"),
        "{failed}"
    );
}

/// A hardware module with another key in the slot, or one that fails without a word.
#[tokio::test]
async fn a_wrong_signature_of_a_command_is_not_published() {
    let site = Site::new().await;
    let script = site.path("hsm");
    let text = format!(
        "#!/bin/sh\nset -e\ncase $2 in\npublic) openssl pkey -in {0}/timestamp.key -pubout -outform DER | tail -c 32 ;;\n\
         sign) cat > $1; openssl pkeyutl -sign -rawin -inkey {0}/root.key -in $1 ;;\nesac\n",
        site.path("keys").display()
    );
    acl_host::file::scratch(&script, text.as_bytes()).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let command = format!("{} {}", script.display(), site.path("message").display());
    let publisher = site.publisher_with("timestamp", KeySource::Command(command.clone()));
    let path = site.path("repo/metadata/timestamp.json");
    let before = std::fs::read(&path).unwrap();
    let refused = error(publisher.refresh(&[Renewal::Timestamp]));
    assert_eq!(
        refused.to_string(),
        format!(
            "the command {command} for the key of role timestamp prints a signature that does not fit its public key"
        )
    );
    assert_eq!(refused.who(), Who::Operator);
    assert!(std::fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn a_damaged_repository_is_not_built_upon() {
    let site = Site::new().await;
    for (file, at) in [
        ("metadata/2.targets.json", 60),
        ("metadata/1.root.json", 300),
        ("metadata/timestamp.json", 60),
        ("metadata/2.channel-stable.json", 60),
    ] {
        let path = site.path("repo").join(file);
        flip(&path, at);
        let told = told(site.publisher().refresh(&[Renewal::Timestamp]));
        assert!(told.starts_with(&path.display().to_string()), "{told}");
        flip(&path, at);
    }
    site.publisher().refresh(&[Renewal::Timestamp]).unwrap();
}

#[tokio::test]
async fn what_a_power_cut_left_is_written_over() {
    let site = Site::new().await;
    for name in ["3.targets.json", "4.snapshot.json", ".timestamp.json.new"] {
        acl_host::file::scratch(site.path("repo/metadata").join(name), b"half").unwrap();
    }
    site.open("node").await.unwrap();
    site.release("2", 2);
    let channel = site
        .open("node")
        .await
        .unwrap()
        .channel(&stable())
        .await
        .unwrap();
    assert_eq!(channel.releases.len(), 2);
}

#[tokio::test]
async fn one_publisher_at_a_time() {
    let site = Site::new().await;
    let _first = site.publisher();
    let second = Publisher::new(
        &site.path("repo"),
        Keyring::default(),
        Lifetimes::default(),
        site.clock.clone(),
    );
    assert!(told(second).starts_with("cannot take the lock of another acl-release "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_meet_half_of_a_change() {
    let site = Site::new().await;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 2..12 {
                site.release(&number.to_string(), 1);
            }
            done.store(true, Ordering::Relaxed);
        });
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let mut seen = 1;
                while !done.load(Ordering::Relaxed) {
                    let repository = site.open("node").await.unwrap();
                    let releases = repository.channel(&stable()).await.unwrap().releases;
                    assert!(releases.len() >= seen);
                    seen = releases.len();
                    repository
                        .manifest(&releases[seen - 1].version, "x86-64")
                        .await
                        .unwrap();
                }
            });
        });
    });
}

#[tokio::test]
async fn versions_grow_by_one() {
    let site = Site::new().await;
    let metadata = Metadata::load(&Store::new(&site.path("repo"))).unwrap();
    let versions = [
        metadata.root.signed.version,
        metadata.targets.signed.version,
        metadata.snapshot.signed.version,
        metadata.timestamp.signed.version,
    ];
    assert_eq!(versions.map(std::num::NonZeroU64::get), [1, 2, 3, 3]);
    assert_eq!(metadata.channels[&stable()].signed.version.get(), 2);
}

/// A link that leads to itself stands for a disk that fails: neither is the root before it the newest one, nor is there no
/// repository.
#[tokio::test]
async fn metadata_that_cannot_be_looked_at_is_an_error() {
    let site = Site::new().await;
    let store = Store::new(&site.path("repo"));
    for name in ["2.root.json", "timestamp.json"] {
        let path = site.path("repo").join("metadata").join(name);
        if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
        std::os::unix::fs::symlink(name, &path).unwrap();
        let error = Metadata::load(&store).unwrap_err();
        assert_eq!(
            acl_host::error::chain(&error),
            format!(
                "cannot read {}: Too many levels of symbolic links (os error 40)",
                path.display()
            )
        );
    }
}
