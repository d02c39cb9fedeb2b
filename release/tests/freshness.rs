//! Metadata that is older than what was seen, or expired, is refused; so is a clock that goes back.

use std::path::Path;
use std::sync::Arc;

use acl_host::Who;
use acl_host::clock::FixedClock;
use acl_release::Error;
use acl_release::repository::refresh::Renewal;
use jiff::SignedDuration;

use crate::site::{MEND, Site, copy, error, files, stable, told, version};

/// Puts an old state of the repository in the place of the new one.
fn go_back(site: &Site, old: &Path) {
    std::fs::remove_dir_all(site.path("repo/metadata")).unwrap();
    copy(old, &site.path("repo/metadata"));
}

#[tokio::test]
async fn an_older_repository_offered_as_newest() {
    let site = Site::new().await;
    let old = site.path("old");
    copy(&site.path("repo/metadata"), &old);
    site.release("2", 2);
    site.open("node").await.unwrap();
    go_back(&site, &old);
    let refused = error(site.open("node").await);
    assert_eq!(refused.who(), Who::Server);
    let expected = format!(
        "the metadata of role timestamp at {} is refused{MEND}: it is version 3, and version 5 was seen before",
        site.url("metadata/timestamp.json")
    );
    assert_eq!(acl_host::error::chain(&refused), expected);
    // A node that never saw the newer state cannot know.
    site.open("new-node").await.unwrap();
}

#[tokio::test]
async fn a_refused_repository_leaves_no_trace_and_the_good_one_is_taken_again() {
    let site = Site::new().await;
    site.open("node").await.unwrap();
    let known = site.path("known");
    copy(&site.path("node"), &known);
    crate::site::flip(&site.path("repo/metadata/2.targets.json"), 100);
    error(site.open("node").await);
    for file in files(&known) {
        let name = file.strip_prefix(&known).unwrap();
        assert_eq!(
            std::fs::read(&file).unwrap(),
            std::fs::read(site.path("node").join(name)).unwrap()
        );
    }
    assert_eq!(files(&site.path("node")).len(), files(&known).len());
    crate::site::flip(&site.path("repo/metadata/2.targets.json"), 100);
    site.open("node").await.unwrap();
}

/// Renews every role but one, long after all were signed; exactly that one must be found expired.
#[tokio::test]
async fn each_role_expires() {
    let all = [
        Renewal::Root,
        Renewal::Targets,
        Renewal::Channel(stable()),
        Renewal::Snapshot,
    ];
    let cases = [
        ("root", "1.root.json", 0, 366),
        ("targets", "2.targets.json", 1, 366),
    ];
    for (role, file, left_out, days) in cases {
        let site = Site::new().await;
        site.clock.advance(SignedDuration::from_hours(24 * days));
        let renewals: Vec<Renewal> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != left_out)
            .map(|(_, role)| role.clone())
            .collect();
        site.publisher().refresh(&renewals).unwrap();
        let told = told(site.open("node").await);
        let expected = format!(
            "the metadata of role {role} at {} expired at 2027-11-01T00:00:00Z, it is 2027-11-02T00:00:00Z: ",
            site.url(&format!("metadata/{file}"))
        );
        assert!(told.starts_with(&expected), "{told}");
    }
}

#[tokio::test]
async fn timestamp_and_snapshot_expire_without_refresh() {
    let site = Site::new().await;
    let mut repository = site.open("node").await.unwrap();
    let week = SignedDuration::from_hours(24 * 7);
    site.clock.advance(week - SignedDuration::from_secs(1));
    repository.refresh().await.unwrap();
    // At the time at which it expires it has expired.
    site.clock.advance(SignedDuration::from_secs(1));
    // Freshness at the time of arming: the repository that was open all the time is asked again.
    let expired = error(repository.refresh().await);
    assert!(
        matches!(&expired, Error::Expired { role, .. } if role == "timestamp"),
        "{expired}"
    );
    assert_eq!(expired.who(), Who::Server);
    site.clock.advance(SignedDuration::from_hours(24 * 24));
    site.publisher().refresh(&[Renewal::Timestamp]).unwrap();
    let expired = error(repository.refresh().await);
    assert!(
        matches!(&expired, Error::Expired { role, .. } if role == "snapshot"),
        "{expired}"
    );
    site.publisher()
        .refresh(&[Renewal::Snapshot, Renewal::Timestamp])
        .unwrap();
    repository.refresh().await.unwrap();
}

/// Moves the clock to the time at which the timestamp expires once the file of this role is asked for.
fn expires_while_read(site: &Site, role: &'static str) {
    let clock = site.clock.clone();
    site.web.lie(move |path, _, before| {
        if path.ends_with(&format!("{role}.json")) && before == 0 {
            clock.advance(SignedDuration::from_secs(1));
        }
        None
    });
}

/// Just before its timestamp expires.
async fn about_to_expire() -> Site {
    let site = Site::new().await;
    let week = SignedDuration::from_hours(24 * 7);
    site.clock.advance(week - SignedDuration::from_secs(1));
    site
}

#[tokio::test]
async fn what_holds_when_a_reading_begins_holds_to_its_end() {
    for role in ["timestamp", "snapshot", "targets"] {
        let site = about_to_expire().await;
        expires_while_read(&site, role);
        let mut repository = site.open("node").await.unwrap();
        // The next look begins later.
        for expired in [
            error(repository.check_fresh()),
            error(repository.channel(&stable()).await),
            error(repository.manifest(&version("1"), "x86-64").await),
            error(repository.refresh().await),
        ] {
            assert!(
                matches!(&expired, Error::Expired { role, .. } if role == "timestamp"),
                "{expired}"
            );
        }
    }
    // So it is for the role of a channel.
    let site = Site::new().await;
    let life = SignedDuration::from_hours(24 * 90);
    site.clock.advance(life - SignedDuration::from_secs(1));
    let roles = [Renewal::Snapshot, Renewal::Timestamp];
    site.publisher().refresh(&roles).unwrap();
    let repository = site.open("node").await.unwrap();
    expires_while_read(&site, "channel-stable");
    repository.channel(&stable()).await.unwrap();
    let expired = error(repository.channel(&stable()).await);
    assert!(
        matches!(&expired, Error::Expired { role, .. } if role == "channel-stable"),
        "{expired}"
    );
}

#[tokio::test]
async fn an_expired_channel_is_refused_and_harms_no_other() {
    let site = Site::new().await;
    site.clock.advance(SignedDuration::from_hours(24 * 91));
    site.publisher()
        .refresh(&[Renewal::Channel("beta".parse().unwrap())])
        .unwrap();
    let repository = site.open("node").await.unwrap();
    let expired = error(repository.channel(&stable()).await);
    assert!(
        matches!(&expired, Error::Expired { role, .. } if role == "channel-stable"),
        "{expired}"
    );
    assert_eq!(
        repository
            .channel(&"beta".parse().unwrap())
            .await
            .unwrap()
            .releases,
        []
    );
}

/// A server that hides that a root was replaced finds a node that remembers it.
#[tokio::test]
async fn a_newer_root_is_remembered() {
    let site = Site::new().await;
    site.publisher().refresh(&[Renewal::Root]).unwrap();
    site.open("node").await.unwrap();
    std::fs::remove_file(site.path("repo/metadata/2.root.json")).unwrap();
    site.open("node").await.unwrap();
    assert_eq!(site.asked("metadata/3.root.json"), 2);
}

#[tokio::test]
async fn another_publisher_is_not_trusted() {
    let (site, other) = (Site::new().await, Site::new().await);
    std::fs::copy(
        other.path("repo/metadata/1.root.json"),
        site.path("root.json"),
    )
    .unwrap();
    let told = told(site.open("node").await);
    assert!(
        told.starts_with("the metadata of role timestamp at "),
        "{told}"
    );
    assert!(
        told.contains(", or the trusted root is another publisher's: "),
        "{told}"
    );
    assert!(
        told.ends_with("Signature threshold of 1 not met for role timestamp (0 valid signatures)"),
        "{told}"
    );
}

#[tokio::test]
async fn a_trusted_root_that_is_none() {
    let site = Site::new().await;
    acl_host::file::scratch(site.path("root.json"), b"{}").unwrap();
    let refused = error(site.open("node").await);
    assert_eq!(refused.who(), Who::Operator);
    assert!(
        refused.to_string().starts_with(
            "the trusted root is refused: it is not TUF metadata: missing field `signed`"
        ),
        "{refused}"
    );
    // Nothing was changed.
    assert!(!site.path("node").exists());
}

#[tokio::test]
async fn a_clock_that_is_set_is_the_one_that_counts() {
    let site = Site::new().await;
    let root = std::fs::read(site.path("repo/metadata/1.root.json")).unwrap();
    for (now, good) in [
        ("2026-11-07T23:59:59Z", true),
        ("2026-11-08T00:00:00Z", false),
    ] {
        let clock = Arc::new(FixedClock::new(now.parse().unwrap()));
        let opened = acl_release::repository::read::Repository::open(
            crate::site::sources(&[&site.url("")]),
            &root,
            &site.path(now),
            crate::site::http(),
            clock,
        )
        .await;
        assert_eq!(opened.is_ok(), good, "{now}");
    }
}

/// Each look at the repository compares with the time that it is then, and not with that of the reading.
#[tokio::test]
async fn expiry_is_looked_at_each_time() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    repository.check_fresh().unwrap();
    site.clock.advance(SignedDuration::from_hours(24 * 7));
    let looks = [
        repository.check_fresh(),
        repository.channel(&stable()).await.map(drop),
        repository
            .manifest(&crate::site::version("1"), "x86-64")
            .await
            .map(drop),
        repository.remember_time().await,
    ];
    for look in looks {
        let expired = error(look);
        assert!(
            matches!(&expired, Error::Expired { role, .. } if role == "timestamp"),
            "{expired}"
        );
    }
}

/// A time that was known to be right has passed: a clock that is set back afterwards is refused.
#[tokio::test]
async fn a_clock_that_went_back() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    site.clock.advance(SignedDuration::from_hours(24));
    repository.remember_time().await.unwrap();
    // Clocks are set by small steps.
    site.clock.advance(SignedDuration::from_mins(-1));
    site.open("node").await.unwrap();
    repository.check_fresh().unwrap();
    site.clock.advance(SignedDuration::from_secs(-1));
    let expected = format!(
        "this machine's clock went back: it is 2026-11-01T23:58:59Z, and 2026-11-02T00:00:00Z has passed already; set the clock, or remove {} if that time was wrong",
        site.path("node/time").display()
    );
    for refused in [
        error(site.open("node").await),
        error(repository.check_fresh()),
        error(repository.channel(&stable()).await),
        error(repository.remember_time().await),
    ] {
        assert_eq!(refused.to_string(), expected);
        assert_eq!(refused.who(), Who::Operator);
    }
    // An earlier time that is right does not take the place of a later one.
    site.clock.advance(SignedDuration::from_secs(31));
    repository.remember_time().await.unwrap();
    let time = std::fs::read_to_string(site.path("node/time")).unwrap();
    assert_eq!(time, "2026-11-02T00:00:00Z\n");
    // What the message advises helps.
    site.clock.advance(SignedDuration::from_hours(-20));
    error(site.open("node").await);
    std::fs::remove_file(site.path("node/time")).unwrap();
    site.open("node").await.unwrap();
}

/// A clock that was ahead, and that nobody said was right, leaves nothing behind.
#[tokio::test]
async fn a_clock_that_was_ahead_once_stops_nothing() {
    let site = Site::new().await;
    site.clock.advance(SignedDuration::from_hours(24 * 6));
    site.open("node").await.unwrap();
    site.clock.advance(SignedDuration::from_hours(24 * -6));
    let repository = site.open("node").await.unwrap();
    repository.channel(&stable()).await.unwrap();
}
