//! The way to a server as the operator sets it: authorities, bandwidth; and how long a busy server is left alone.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use acl_host::Who;
use acl_host::clock::FixedClock;
use acl_release::Error;
use acl_release::repository::download::Download;
use acl_release::repository::http::{Http, Network, Patience};
use tokio::time::{Instant, advance};

use crate::site::{BEGIN, Site, answer, error, http, http_over, impatient, noise, sources, told};
use crate::time::{StoppedClock, pass};
use crate::tls::Identity;
use crate::web::Web;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn only_authorities_that_are_named_are_trusted() {
    let (site, identity) = (Site::new().await, Identity::new());
    let web = Web::tls(site.path("repo"), &identity, true).await;
    let refused = error(site.open_from("node", &[web.base()], http()).await);
    assert!(matches!(refused, Error::Connect { .. }), "{refused}");
    let told = acl_host::error::chain(&refused);
    assert!(told.contains("invalid peer certificate"), "{told}");
    let over = |authority: String| {
        http_over(&Network {
            authorities: authority.into_bytes(),
            ..Network::default()
        })
    };
    let other = over(Identity::new().authority);
    error(site.open_from("node", &[web.base()], other).await);
    // A bundle of several.
    let bundle = Identity::new().authority + &identity.authority;
    let opened = site.open_from("node", &[web.base()], over(bundle)).await;
    opened.unwrap();
}

#[test]
fn authorities_that_are_none() {
    let network = Network {
        authorities: b"no certificate".to_vec(),
        ..Network::default()
    };
    let clock = Arc::new(FixedClock::new(BEGIN.parse().unwrap()));
    let refused = error(Http::new(impatient(), &network, clock));
    assert_eq!(refused.who(), Who::Operator);
    assert_eq!(
        refused.to_string(),
        "the authorities of `ca` cannot be used: there is no certificate in PEM form"
    );
}

/// Over all connections together, from whatever they come.
#[tokio::test(start_paused = true)]
async fn bandwidth_is_shared() {
    let _clock = StoppedClock::new();
    let dir = tempfile::tempdir().unwrap();
    let web = Web::new(dir.path().to_owned()).await;
    // From memory: no time passes while a disk is read.
    let size = 100_000;
    let file = noise(3, size);
    web.lie(move |_, _, _| Some(answer(200, &[], file.clone())));
    let seconds = async |bandwidth| {
        let patience = Patience {
            connect: HOUR,
            read: HOUR,
            ..impatient()
        };
        let network = Network {
            bandwidth: NonZeroU64::new(bandwidth),
            ..Network::default()
        };
        let clock = Arc::new(FixedClock::new(BEGIN.parse().unwrap()));
        let http = Http::new(patience, &network, clock).unwrap();
        let sources = sources(&[web.base()]);
        let fetch = async |http: Http| {
            let all = 0..size as u64;
            let mut download = Download::new(&http, &sources, "file", all.end, vec![all]);
            while download.piece().await.unwrap().is_some() {}
        };
        let begun = Instant::now();
        let passing = async {
            loop {
                pass(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = futures_util::future::join(fetch(http.clone()), fetch(http.clone())) => {}
            () = passing => {}
        }
        begun.elapsed()
    };
    // 200,000 bytes at 500,000 a second, of which what was saved up until the first of them does not count.
    let limited = seconds(500_000).await;
    assert!(limited >= Duration::from_millis(400), "{limited:?}");
}

/// A site whose server is busy at the first request for the timestamp.
async fn busy(retry_after: &'static str) -> Site {
    let site = Site::new().await;
    site.lie(move |path, _, before| {
        let busy = path == "/metadata/timestamp.json" && before == 0;
        busy.then(|| answer(503, &[("retry-after", retry_after.to_owned())], Vec::new()))
    });
    site
}

/// As long as it asks, in either form: that is what the error says, and it is not asked before.
#[tokio::test(start_paused = true)]
async fn a_busy_server_is_left_alone_as_it_asks() {
    let _clock = StoppedClock::new();
    for (asked, expected) in [
        ("0", 0),
        ("1", 1),
        ("Sun, 01 Nov 2026 00:00:01 GMT", 1),
        ("Sun, 01 Nov 2026 00:00:00 GMT", 0),
    ] {
        let (site, expected) = (busy(asked).await, Duration::from_secs(expected));
        let patience = Patience {
            retries: 0,
            ..impatient()
        };
        let http = Http::new(patience, &Network::default(), site.clock.clone()).unwrap();
        let addresses = [site.web.base()];
        let open = async || site.open_from("node", &addresses, http.clone()).await;
        let wait = async || match error(open().await) {
            Error::Status { wait, .. } => wait,
            other => panic!("{asked}: {other}"),
        };
        assert_eq!(wait().await, expected, "{asked}");
        if !expected.is_zero() {
            let last = Duration::from_millis(1);
            advance(expected - last).await;
            assert_eq!(wait().await, last, "{asked}");
            advance(last).await;
        }
        assert_eq!(site.asked("metadata/timestamp.json"), 1, "{asked}");
        open().await.unwrap();
    }
}

/// What it does not have says nothing about the rest.
#[tokio::test]
async fn a_server_that_lacks_something_is_not_left_alone() {
    let site = Site::new().await;
    site.lie(|path, _, _| {
        let header = ("retry-after", "3600".to_owned());
        (path == "/metadata/2.root.json").then(|| answer(404, &[header], Vec::new()))
    });
    let opened = site.open_from("node", &[site.web.base()], http()).await;
    opened.unwrap();
    assert_eq!(site.asked("metadata/2.root.json"), 1);
}

/// It would answer, but it is not asked: not in this check, and not in the next one.
#[tokio::test]
async fn a_server_that_asks_for_longer_than_is_waited_is_not_asked_meanwhile() {
    let site = busy("3600").await;
    let http = http();
    let addresses = [site.web.base()];
    for _ in 0..2 {
        let opened = site.open_from("node", &addresses, http.clone()).await;
        let told = told(opened);
        assert!(told.contains("503 Service Unavailable"), "{told}");
    }
    assert_eq!(site.asked("metadata/timestamp.json"), 1);
    // Another address is none of its business.
    let other = Web::new(site.path("repo")).await;
    let addresses = [site.web.base(), other.base()];
    site.open_from("node", &addresses, http).await.unwrap();
    assert_eq!(site.asked("metadata/timestamp.json"), 1);
}
