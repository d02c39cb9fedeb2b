//! Roles of channels: delegated by targets itself, signing their own document only, and harming no other when they are bad.

use acl_release::Error;
use acl_release::channel::{Channel, MOST_RELEASES, Offer};
use acl_release::trust::roles::{self, delegate};
use tough::schema::{Delegations, Targets};

use crate::forge::Forge;
use crate::site::{BEGIN, MEND, Site, error, flip, stable, told, version};
use crate::web::answer;

fn beta() -> acl_release::channel::ChannelName {
    "beta".parse().unwrap()
}

/// The nodes of a channel are not stopped by the role of another, whatever is wrong with it.
#[tokio::test]
async fn a_bad_role_stops_no_other_channel() {
    let site = Site::new().await;
    flip(&site.path("repo/metadata/1.channel-beta.json"), 100);
    let repository = site.open("node").await.unwrap();
    assert_eq!(
        repository.channel(&stable()).await.unwrap().releases.len(),
        1
    );
    let refused = told(repository.channel(&beta()).await);
    let expected = format!(
        "the metadata of role channel-beta at {} is refused{MEND}: it has SHA-256 ",
        site.url("metadata/1.channel-beta.json")
    );
    assert!(refused.starts_with(&expected), "{refused}");
    std::fs::remove_file(site.path("repo/metadata/1.channel-beta.json")).unwrap();
    let repository = site.open("node").await.unwrap();
    repository.channel(&stable()).await.unwrap();
    let missing = error(repository.channel(&beta()).await);
    assert!(
        matches!(&missing, Error::Status { status, .. } if status.as_u16() == 404),
        "{missing}"
    );
    // It was not even asked for by those that follow stable.
    assert_eq!(site.asked("metadata/1.channel-beta.json"), 2);
}

/// The keys of one channel do not make another, nor take the place of one.
#[tokio::test]
async fn a_channel_that_a_channels_role_delegates_to_is_none() {
    let site = Site::new().await;
    let publisher = Forge::of(&site);
    publisher.keys.make_missing("channel-nightly").unwrap();
    let nightly = "nightly".parse().unwrap();
    let mut role: Targets = publisher.read("1.channel-beta.json");
    let document = serde_json::to_vec(&Channel::empty("nightly".parse().unwrap())).unwrap();
    role.targets.clear();
    roles::list(&mut role, "channels/nightly.json", &document).unwrap();
    let key = publisher.key("channel-nightly");
    let bytes = publisher.write("1.channel-nightly.json", role, &[&key]);
    publisher.targets("channel-beta", |beta| {
        let mut delegations = Delegations::new();
        delegate(&mut delegations, &nightly, &key).unwrap();
        beta.delegations = Some(delegations);
    });
    publisher.snapshot(|snapshot| {
        let listed = roles::metafile(1.try_into().unwrap(), &bytes);
        snapshot
            .meta
            .insert("channel-nightly.json".to_owned(), listed);
    });
    let repository = site.open("node").await.unwrap();
    repository.channel(&beta()).await.unwrap();
    let refused = error(repository.channel(&nightly).await);
    assert!(
        matches!(&refused, Error::NoChannel { channel, .. } if channel == "nightly"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_channels_role_signs_its_own_document_only() {
    let site = Site::new().await;
    let publisher = Forge::of(&site);
    publisher.document("channel-beta", "channels/stable.json", b"{}");
    let repository = site.open("node").await.unwrap();
    repository.channel(&stable()).await.unwrap();
    let expected = format!(
        "the metadata of role channel-beta at {} is refused{MEND}: it lists channels/stable.json, which it may not sign",
        site.url("metadata/2.channel-beta.json")
    );
    assert_eq!(told(repository.channel(&beta()).await), expected);
}

#[tokio::test]
async fn a_role_that_is_named_twice_is_refused() {
    let site = Site::new().await;
    let publisher = Forge::of(&site);
    publisher.targets("targets", |targets| {
        let delegations = targets.delegations.as_mut().unwrap();
        delegate(delegations, &beta(), &publisher.key("channel-stable")).unwrap();
    });
    let repository = site.open("node").await.unwrap();
    let expected = format!(
        "the metadata of role targets at {} is refused{MEND}: it names the role channel-beta twice",
        site.url("metadata/3.targets.json")
    );
    assert_eq!(told(repository.channel(&beta()).await), expected);
}

/// Its file and digest are listed, and another channel's key has signed it.
#[tokio::test]
async fn another_role_in_the_place_of_a_channels() {
    let site = Site::new().await;
    let publisher = Forge::of(&site);
    let role: Targets = publisher.read("1.channel-beta.json");
    let bytes = publisher.write(
        "1.channel-beta.json",
        role,
        &[&publisher.key("channel-stable")],
    );
    publisher.snapshot(|snapshot| {
        let listed = roles::metafile(1.try_into().unwrap(), &bytes);
        snapshot.meta.insert("channel-beta.json".to_owned(), listed);
    });
    let repository = site.open("node").await.unwrap();
    let refused = told(repository.channel(&beta()).await);
    assert!(
        refused
            .ends_with(": Signature threshold of 1 not met for role targets (0 valid signatures)"),
        "{refused}"
    );
}

/// A signed role lists another document under the name: what it says inside counts.
#[tokio::test]
async fn documents_that_are_of_another_name() {
    let site = Site::new().await;
    let publisher = Forge::of(&site);
    let document = serde_json::to_vec(&Channel::empty(stable())).unwrap();
    publisher.document("channel-beta", "channels/beta.json", &document);
    let manifest = std::fs::read(site.file(".x86-64.json")).unwrap();
    publisher.document("targets", "releases/2/x86-64.json", &manifest);
    publisher.document("targets", "releases/1/arm64.json", &manifest);
    let repository = site.open("node").await.unwrap();
    let refused = told(repository.channel(&beta()).await);
    assert!(refused.starts_with("channels/beta.json at "), "{refused}");
    assert!(
        refused.ends_with(&format!(" says that it is channel stable{MEND}")),
        "{refused}"
    );
    for (release, arch) in [("2", "x86-64"), ("1", "arm64")] {
        let refused = told(repository.manifest(&version(release), arch).await);
        let expected = format!("releases/{release}/{arch}.json at ");
        assert!(refused.starts_with(&expected), "{refused}");
        let end = format!(" says that it is release 1 for x86-64{MEND}");
        assert!(refused.ends_with(&end), "{refused}");
    }
}

#[tokio::test]
async fn what_a_document_may_hold() {
    let site = Site::new().await;
    let publisher = Forge::of(&site);
    let mut channel = Channel::empty(beta());
    let offer = |number: usize| Offer::new(version(&number.to_string()), BEGIN.parse().unwrap());
    channel.releases = (0..=MOST_RELEASES).map(offer).collect();
    let write = |channel: &Channel| {
        let document = serde_json::to_vec(channel).unwrap();
        publisher.document("channel-beta", "channels/beta.json", &document);
    };
    write(&channel);
    let read = async || site.open("node").await.unwrap().channel(&beta()).await;
    let refused = told(read().await);
    assert!(
        refused.ends_with(&format!(
            " lists 1001 releases, at most 1000 are allowed{MEND}"
        )),
        "{refused}"
    );
    channel.releases.pop();
    channel.releases[7].withdrawn = Some("\u{1b}".repeat(1000));
    write(&channel);
    let found = read().await.unwrap();
    assert_eq!(found.releases.len(), MOST_RELEASES);
    let reason = format!("{}…", r"\u{1b}".repeat(32));
    assert_eq!(found.releases[7].withdrawn.as_deref(), Some(&*reason));
    // A name without end is cut where it is told.
    let name = "x".repeat(100_000);
    let document = format!(r#"{{"schema":1,"name":"{name}","releases":[]}}"#);
    publisher.document("channel-beta", "channels/beta.json", document.as_bytes());
    let refused = told(read().await);
    let end = " at line 1 column 100021";
    assert!(refused.ends_with(end) && refused.len() < 600, "{refused}");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(site.file(".x86-64.json")).unwrap()).unwrap();
    manifest["image_id"] = "a".repeat(65).into();
    let document = serde_json::to_vec(&manifest).unwrap();
    publisher.document("targets", "releases/1/x86-64.json", &document);
    let repository = site.open("node").await.unwrap();
    let refused = told(repository.manifest(&version("1"), "x86-64").await);
    let end = format!(" says that it is of the image {}{MEND}", "a".repeat(65));
    assert!(refused.ends_with(&end), "{refused}");
}

/// However a server answers, no more is read than the role may have, and what it says is cut.
#[tokio::test]
async fn a_server_that_fills_the_node() {
    let site = Site::new().await;
    let endless = |length: usize| {
        let text = "\u{80}".repeat(length / 2);
        format!(r#"{{"signed":{{"_type":"{text}","spec_version":"1"}},"signatures":[]}}"#)
    };
    let lie = |body: String| {
        site.lie(move |_, _, _| Some(answer(200, &[], body.clone().into_bytes())));
    };
    lie(endless(8 << 20));
    let url = site.url("metadata/2.root.json");
    let refused = told(site.open("node").await);
    assert_eq!(refused, format!("{url} is longer than 65536 bytes{MEND}"));
    lie(endless(60_000));
    let refused = told(site.open("node").await);
    let text = r"\u{80}".repeat(32);
    let expected = format!(
        "the metadata of role root at {url} is refused{MEND}: it says that it is of type '{text}…'"
    );
    assert_eq!(refused, expected);
}

/// The limit of each role applies while it is read.
#[tokio::test]
async fn each_role_has_its_limit() {
    let site = Site::new().await;
    let listed = |name: &str| {
        std::fs::metadata(site.path("repo/metadata").join(name))
            .unwrap()
            .len()
    };
    for (file, limit) in [
        ("2.root.json", 65536),
        ("timestamp.json", 65536),
        ("3.snapshot.json", listed("3.snapshot.json")),
        ("2.targets.json", listed("2.targets.json")),
        ("2.channel-stable.json", listed("2.channel-stable.json")),
    ] {
        let path = format!("/metadata/{file}");
        site.lie(move |asked, _, _| (asked == path).then(|| answer(200, &[], vec![b' '; 5 << 20])));
        let read = async { site.open("node").await?.channel(&stable()).await };
        let expected = format!(
            "{} is longer than {limit} bytes{MEND}",
            site.url(&format!("metadata/{file}"))
        );
        assert_eq!(told(read.await), expected);
    }
    // What is listed as longer than the role may be is not read either.
    site.honest();
    let publisher = Forge::of(&site);
    publisher.targets("channel-beta", |_| {});
    publisher.snapshot(|snapshot| {
        let listed = snapshot.meta.get_mut("channel-beta.json").unwrap();
        listed.length = Some(1 << 40);
        listed.hashes = None;
    });
    site.lie(|path, _, _| {
        path.ends_with("channel-beta.json")
            .then(|| answer(200, &[], vec![b' '; 1 << 20]))
    });
    let repository = site.open("node").await.unwrap();
    let refused = told(repository.channel(&beta()).await);
    assert!(
        refused.ends_with(&format!(" is longer than 65536 bytes{MEND}")),
        "{refused}"
    );
}
