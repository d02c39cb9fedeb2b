//! A server fails, and a mirror goes on where it was.

use std::num::NonZeroU64;
use std::path::PathBuf;

use acl_host::Who;
use acl_release::Error;
use acl_release::manifest::{Artifact, Part};
use acl_release::repository::http::{Http, Network};

use crate::site::{
    MEND, Memory, Site, answer, copy, cut_answer, error, flip, http, http_over, stable, told,
    version,
};
use crate::time::StoppedClock;
use crate::web::{Web, dripping_answer, stalling_answer, start};

/// Where the server stops, in the pack.
const STOP: usize = 300_001;

/// A site, whose own server is the mirror, and another server before it.
struct Pair {
    site: Site,
    first: Web,
    usr: Artifact,
}

impl Pair {
    async fn new() -> Self {
        let site = Site::new().await;
        let first = Web::new(site.path("repo")).await;
        let manifest = site.open("other").await.unwrap();
        let manifest = manifest.manifest(&version("1"), "x86-64").await.unwrap();
        let usr = manifest.artifacts.usr;
        Self { site, first, usr }
    }

    fn pack(&self) -> String {
        format!("blobs/{}", self.usr.pack.sha256)
    }

    fn pack_bytes(&self) -> Vec<u8> {
        std::fs::read(self.site.path("repo").join(self.pack())).unwrap()
    }

    async fn fetch(&self, http: Http) -> Result<Memory, Error> {
        let addresses = [self.first.base(), self.site.web.base()];
        let repository = self.site.open_from("node", &addresses, http).await?;
        let mut sink = Memory::default();
        let fetched = self.site.fetch_with(&repository, Part::Usr, 0, &mut sink);
        fetched.await.map(|()| sink)
    }

    /// Fetches usr and checks it.
    async fn arrives(&self, http: Http) -> Memory {
        let sink = self.fetch(http).await.unwrap();
        assert!(sink.bytes == std::fs::read(self.site.path("builds/1/usr")).unwrap());
        sink
    }
}

/// An address where nobody is.
fn nobody() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", free.local_addr().unwrap())
}

#[tokio::test]
async fn where_nobody_is_the_mirror_has_everything() {
    let site = Site::new().await;
    let addresses = [&*nobody(), site.web.base()];
    let repository = site.open_from("node", &addresses, http()).await.unwrap();
    let channel = repository.channel(&stable()).await.unwrap();
    assert_eq!(channel.releases.len(), 1);
    let mut sink = Memory::default();
    let fetched = site.fetch_with(&repository, Part::Usr, 0, &mut sink).await;
    fetched.unwrap();
}

#[tokio::test]
async fn a_server_that_is_out_of_order_is_asked_once() {
    let pair = Pair::new().await;
    pair.first.lie(|_, _, _| Some(answer(500, &[], Vec::new())));
    pair.arrives(http()).await;
    assert_eq!(pair.first.requests(), 1);
}

#[tokio::test]
async fn a_server_that_works_is_the_only_one_that_is_asked() {
    let pair = Pair::new().await;
    let before = pair.site.web.requests();
    pair.arrives(http()).await;
    assert_eq!(pair.site.web.requests(), before);
}

/// What the server does with a request for the pack, and how often it is asked for it.
type Fault = fn(usize, &[u8]) -> axum::response::Response;

fn head(from: usize, size: usize) -> [(&'static str, String); 1] {
    [("content-range", format!("bytes {from}-{}/{size}", size - 1))]
}

/// In the middle of the pack: what came is kept, the mirror is asked for the rest, and for nothing twice.
#[tokio::test(start_paused = true)]
async fn the_mirror_goes_on_at_the_byte_where_the_server_stopped() {
    let _clock = StoppedClock::new();
    let cut: Fault = |from, pack| {
        let bytes = pack[from..STOP.max(from)].to_vec();
        cut_answer(206, &head(from, pack.len()), bytes, pack.len() - from)
    };
    let stall: Fault = |from, pack| {
        let bytes = pack[from..STOP.max(from)].to_vec();
        stalling_answer(206, &head(from, pack.len()), bytes, pack.len() - from)
    };
    // A server that gave something is asked once more: connections break.
    for (what, fault) in [("cut", cut), ("stall", stall)] {
        let pair = Pair::new().await;
        let (path, pack) = (pair.pack(), pair.pack_bytes());
        let asked = path.clone();
        pair.first
            .lie(move |path, range, _| (path[1..] == asked).then(|| fault(start(range), &pack)));
        let sink = pair.arrives(http()).await;
        let all = pair.usr.pack.size + pair.usr.index.size;
        assert_eq!(sink.fetched, all, "{what}");
        let size = pair.usr.pack.size - 1;
        let (all, rest) = (format!("bytes=0-{size}"), format!("bytes={STOP}-{size}"));
        assert_eq!(pair.first.ranges(&path), [all, rest.clone()], "{what}");
        assert_eq!(pair.site.web.ranges(&path), [rest], "{what}");
    }
}

/// Each connection gives one byte and breaks: it has its turn in each round, and the mirror gives the rest.
#[tokio::test]
async fn a_server_that_gives_one_byte_per_connection_is_left_for_the_mirror() {
    let pair = Pair::new().await;
    let (path, pack) = (pair.pack(), pair.pack_bytes());
    let asked = path.clone();
    pair.first.lie(move |path, range, _| {
        let from = start(Some(range.filter(|_| path[1..] == asked)?));
        let byte = pack[from..=from].to_vec();
        let head = head(from, pack.len());
        Some(cut_answer(206, &head, byte, pack.len() - from))
    });
    let sink = pair.arrives(http()).await;
    assert_eq!(sink.fetched, pair.usr.pack.size + pair.usr.index.size);
    let last = pair.usr.pack.size - 1;
    assert_eq!(pair.first.ranges(&path), [format!("bytes=0-{last}")]);
    let rest = [format!("bytes=1-{last}")];
    assert_eq!(pair.site.web.ranges(&path), rest);
}

/// With nobody else to ask it ends once the rounds are used up.
#[tokio::test]
async fn a_server_that_gives_one_byte_per_connection_is_given_up() {
    let pair = Pair::new().await;
    let (path, pack) = (pair.pack(), pair.pack_bytes());
    let asked = path.clone();
    pair.first.lie(move |path, range, _| {
        let from = start(Some(range.filter(|_| path[1..] == asked)?));
        let byte = pack[from..=from].to_vec();
        let head = head(from, pack.len());
        Some(cut_answer(206, &head, byte, pack.len() - from))
    });
    let alone = [pair.first.base()];
    let repository = pair.site.open_from("node", &alone, http()).await.unwrap();
    let mut sink = Memory::default();
    let fetched = pair.site.fetch_with(&repository, Part::Usr, 0, &mut sink);
    let failed = error(fetched.await);
    let broke = matches!(failed, Error::Transfer { position: 3, .. });
    assert!(broke, "{failed}");
    assert_eq!(pair.first.asked(&path), 3);
}

#[tokio::test(start_paused = true)]
async fn the_mirror_goes_on_where_the_server_began_to_drip() {
    let _clock = StoppedClock::new();
    let pair = Pair::new().await;
    let (path, pack) = (pair.pack(), pair.pack_bytes());
    let asked = path.clone();
    pair.first.lie(move |path, range, _| {
        let drip = || {
            let from = start(range);
            let begun = STOP.saturating_sub(from).max(1);
            dripping_answer(
                206,
                &head(from, pack.len()),
                pack[from..].to_vec(),
                (begun, 1),
            )
        };
        (path[1..] == asked).then(drip)
    });
    let sink = pair.arrives(http()).await;
    let twice = sink.fetched - pair.usr.pack.size - pair.usr.index.size;
    assert!(twice < 100, "{twice}");
    let found = (pair.first.asked(&path), pair.site.asked(&path));
    assert_eq!(found, (1, 1));
}

/// It gives bytes all the time: fewer than the minimum by default, more than a smaller one that the operator sets.
#[tokio::test(start_paused = true)]
async fn a_server_of_1001_bytes_a_second_is_left_unless_the_operator_takes_it() {
    let _clock = StoppedClock::new();
    const DROP: usize = 1001;
    for (min_throughput, from_mirror) in [(None, 1), (NonZeroU64::new(500), 0)] {
        let pair = Pair::new().await;
        let (path, pack) = (pair.pack(), pair.pack_bytes());
        assert!(pack.len() > 40 * DROP, "it ends before it is too slow");
        let asked = path.clone();
        pair.first.lie(move |path, range, _| {
            let drip = || {
                let from = start(range);
                let rest = pack[from..].to_vec();
                dripping_answer(206, &head(from, pack.len()), rest, (DROP, DROP))
            };
            (path[1..] == asked).then(drip)
        });
        let network = Network {
            min_throughput,
            ..Network::default()
        };
        pair.arrives(http_over(&network)).await;
        let found = (pair.first.asked(&path), pair.site.asked(&path));
        assert_eq!(found, (1, from_mirror), "{min_throughput:?}");
    }
}

/// With nobody else to ask it ends, and does not go on for ever.
#[tokio::test(start_paused = true)]
async fn a_server_that_only_drips_is_given_up() {
    let _clock = StoppedClock::new();
    let pair = Pair::new().await;
    let (asked, pack) = (pair.pack(), pair.pack_bytes());
    let drips = move |path: &str, range: Option<&str>| {
        let drip = || {
            let from = start(range);
            dripping_answer(206, &head(from, pack.len()), pack[from..].to_vec(), (1, 1))
        };
        (path[1..] == asked).then(drip)
    };
    for web in [&pair.first, &pair.site.web] {
        let drips = drips.clone();
        web.lie(move |path, range, _| drips(path, range));
    }
    let failed = error(pair.fetch(http()).await);
    let told = acl_host::error::chain(&failed);
    // The window in which the speed is measured, for each of the two.
    let slow = told.matches(" came in 30 s, at byte ").count();
    assert_eq!(slow, 2, "{told}");
}

/// At once, without having given anything.
#[tokio::test]
async fn a_blob_that_the_server_does_not_have_right_comes_from_the_mirror() {
    let wrong: [(&str, Fault); 6] = [
        ("404", |_, _| answer(404, &[], Vec::new())),
        ("403", |_, _| answer(403, &[], Vec::new())),
        ("503", |_, _| answer(503, &[], Vec::new())),
        ("length", |_, _| answer(200, &[], vec![0; 10])),
        ("range", |_, pack| {
            answer(206, &head(1, pack.len()), pack[1..].to_vec())
        }),
        ("size", |_, pack| {
            answer(206, &head(0, pack.len() - 1), pack[1..].to_vec())
        }),
    ];
    for (what, fault) in wrong {
        let pair = Pair::new().await;
        let (path, pack) = (pair.pack(), pair.pack_bytes());
        let asked = path.clone();
        pair.first
            .lie(move |path, _, _| (path[1..] == asked).then(|| fault(0, &pack)));
        pair.arrives(http()).await;
        assert_eq!(pair.first.asked(&path), 1, "{what}");
        assert_eq!(pair.site.asked(&path), 1, "{what}");
    }
}

/// The chunk in the middle of the server's pack is damaged: it and what follows come from the mirror.
#[tokio::test]
async fn bytes_with_a_wrong_digest_come_from_the_mirror() {
    let pair = Pair::new().await;
    copy(&pair.site.path("repo"), &pair.site.path("damaged"));
    flip(&pair.site.path("damaged").join(pair.pack()), STOP);
    let damaged = Web::new(pair.site.path("damaged")).await;
    let pair = Pair {
        first: damaged,
        ..pair
    };
    pair.arrives(http()).await;
    assert_eq!(pair.first.asked(&pair.pack()), 1);
    let range = pair.site.web.ranges(&pair.pack());
    let from = start(range.first().map(String::as_str));
    assert!(from <= STOP && STOP - from < 256 * 1024, "{range:?}");
    assert_eq!(range.len(), 1);
    // One that is alone cannot be replaced.
    let alone = [pair.first.base()];
    let repository = pair.site.open_from("alone", &alone, http()).await.unwrap();
    let mut sink = Memory::default();
    let refused = pair.site.fetch_with(&repository, Part::Usr, 0, &mut sink);
    assert!(matches!(error(refused.await), Error::Chunk { .. }));
    assert_eq!(pair.first.asked(&pair.pack()), 2);
}

/// The server's damaged half of a chunk and the mirror's good one: that is not the mirror's fault.
#[tokio::test]
async fn a_chunk_of_two_halves_comes_once_more_from_the_mirror() {
    let pair = Pair::new().await;
    let (path, mut pack) = (pair.pack(), pair.pack_bytes());
    pack[STOP - 1] ^= 1;
    let asked = path.clone();
    pair.first.lie(move |path, range, before| {
        let from = start(Some(range.filter(|_| path[1..] == asked)?));
        let bytes = pack[from..STOP.max(from)].to_vec();
        Some(match before {
            0 => cut_answer(206, &head(from, pack.len()), bytes, pack.len() - from),
            _ => answer(404, &[], Vec::new()),
        })
    });
    pair.arrives(http()).await;
    // Which of the two had it wrong is not known: the server is asked once more, and still has nothing.
    assert_eq!(pair.first.asked(&path), 3);
    let ranges = pair.site.web.ranges(&path);
    let starts: Vec<_> = ranges.iter().map(|range| start(Some(range))).collect();
    assert_eq!((starts.len(), starts[0]), (2, STOP));
    assert!(starts[1] < STOP);
}

/// Documents and indexes too.
#[tokio::test]
async fn a_damaged_document_comes_from_the_mirror() {
    let pair = Pair::new().await;
    let index = format!("blobs/{}", pair.usr.index.sha256);
    let documents = [
        index,
        "targets/".to_owned(),
        "metadata/2.targets".to_owned(),
    ];
    for document in documents {
        let damaged = pair.site.path(&document.replace('/', "-"));
        copy(&pair.site.path("repo"), &damaged);
        for file in crate::site::files(&damaged) {
            let name = file.strip_prefix(&damaged).unwrap();
            if name.to_str().unwrap().starts_with(&document) {
                flip(&file, 30);
            }
        }
        let first = Web::new(damaged).await;
        let addresses = [first.base(), pair.site.web.base()];
        let node = format!("node-{}", first.base().rsplit_once(':').unwrap().1);
        let repository = pair
            .site
            .open_from(&node, &addresses, http())
            .await
            .unwrap();
        repository.channel(&stable()).await.unwrap();
        let mut sink = Memory::default();
        let fetched = pair.site.fetch_with(&repository, Part::Usr, 0, &mut sink);
        fetched.await.unwrap();
        assert!(first.requests() > 1, "{document}");
    }
}

/// It has what it had a while ago: older metadata than this node knows, or metadata that has expired.
#[tokio::test]
async fn a_mirror_that_is_behind_is_passed_over() {
    let site = Site::new().await;
    copy(&site.path("repo"), &site.path("old"));
    let old = Web::new(site.path("old")).await;
    site.release("2", 2);
    site.open("node").await.unwrap();
    let newest = async |node: &str| {
        let addresses = [old.base(), site.web.base()];
        let repository = site.open_from(node, &addresses, http()).await.unwrap();
        let channel = repository.channel(&stable()).await.unwrap();
        channel.releases.len()
    };
    assert_eq!(newest("node").await, 2);
    assert_eq!(old.asked("metadata/timestamp.json"), 1);
    // A node that never saw the newer state cannot know, until the older one has expired.
    assert_eq!(newest("new-node").await, 1);
    site.clock.advance(jiff::SignedDuration::from_hours(24 * 8));
    let roles = [
        acl_release::repository::refresh::Renewal::Snapshot,
        acl_release::repository::refresh::Renewal::Timestamp,
    ];
    site.publisher().refresh(&roles).unwrap();
    assert_eq!(newest("another-node").await, 2);
}

/// It has the metadata of a release, but not yet the blobs.
#[tokio::test]
async fn a_mirror_without_the_new_blobs_is_passed_over() {
    let pair = Pair::new().await;
    copy(&pair.site.path("repo"), &pair.site.path("late"));
    std::fs::remove_dir_all(pair.site.path("late/blobs")).unwrap();
    let first = Web::new(pair.site.path("late")).await;
    let pair = Pair { first, ..pair };
    pair.arrives(http()).await;
    let index = format!("blobs/{}", pair.usr.index.sha256);
    assert_eq!(pair.first.asked(&index), 1);
    // The mirror that had the index is asked first for the pack.
    assert_eq!(pair.first.asked(&pair.pack()), 0);
}

#[tokio::test]
async fn all_of_them_are_named_when_all_fail() {
    let pair = Pair::new().await;
    let nobody = nobody();
    pair.first.lie(|_, _, _| Some(answer(503, &[], Vec::new())));
    let root = pair.site.path("repo/metadata/1.root.json");
    std::fs::copy(root, pair.site.path("root.json")).unwrap();
    std::fs::remove_dir_all(pair.site.path("repo/metadata")).unwrap();
    let addresses = [&*nobody, pair.first.base(), pair.site.web.base()];
    let failed = pair.site.open_from("node", &addresses, http()).await;
    let failed = error(failed);
    // Who it would be without mirrors.
    assert_eq!(failed.who(), Who::Environment);
    let told = acl_host::error::chain(&failed);
    let begin = format!(
        "none of the repository's 3 addresses will do: (1) cannot reach {nobody}/metadata/2.root.json; check `server` and the network: "
    );
    assert!(told.starts_with(&begin), "{told}");
    let end = format!(
        "; (2) the server answers 503 Service Unavailable for {}; check `server`, or ask whoever keeps the repository; \
         (3) the server answers 404 Not Found for {}; check `server`, or ask whoever keeps the repository",
        pair.first.url("metadata/2.root.json"),
        pair.site.url("metadata/timestamp.json")
    );
    assert!(told.ends_with(&end), "{told}");
    // What may pass is tried again, what will not is not.
    assert_eq!(pair.first.requests(), 3);
    assert_eq!(pair.site.asked("metadata/timestamp.json"), 2);
}

#[tokio::test]
async fn a_pack_that_is_damaged_everywhere_is_refused() {
    let pair = Pair::new().await;
    let pack: PathBuf = pair.site.path("repo").join(pair.pack());
    flip(&pack, STOP);
    let told = told(pair.fetch(http()).await);
    assert!(
        told.starts_with("none of the repository's 2 addresses will do: (1) chunk "),
        "{told}"
    );
    let refused = |web: &Web| format!("from {}) is refused{MEND}", web.url(&pair.pack()));
    for web in [&pair.first, &pair.site.web] {
        assert!(told.contains(&refused(web)), "{told}");
    }
}
