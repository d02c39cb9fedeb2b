//! How many requests a download makes, over how many connections, and how many at once.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use acl_release::repository::download::Download;
use acl_release::repository::http::{Http, Network};
use tempfile::TempDir;

use crate::site::{answer, http, http_over, noise, sources};
use crate::tls::Identity;
use crate::web::{Web, start};

const MIB: usize = 1024 * 1024;

/// A file of this many bytes, in a directory.
fn file(length: usize) -> (TempDir, Vec<u8>) {
    let dir = TempDir::new().unwrap();
    let bytes = noise(7, length);
    acl_host::file::scratch(dir.path().join("file"), &bytes).unwrap();
    (dir, bytes)
}

/// Downloads ranges of `file`; checks what comes. The bytes that came over the network.
async fn download(web: &Web, http: &Http, file: &[u8], wanted: &[Range<usize>]) -> u64 {
    let ranges = wanted
        .iter()
        .map(|range| range.start as u64..range.end as u64);
    let (sources, size) = (sources(&[web.base()]), file.len() as u64);
    let mut download = Download::new(http, &sources, "file", size, ranges.collect());
    let mut found = Vec::new();
    // A server that holds requests back waits for more than come.
    let next = async |download: &mut Download<'_>| {
        let piece = tokio::time::timeout(Duration::from_secs(120), download.piece());
        piece.await.expect("no answer").unwrap()
    };
    while let Some(piece) = next(&mut download).await {
        found.extend_from_slice(&piece);
    }
    let expected: Vec<&[u8]> = wanted.iter().map(|range| &file[range.clone()]).collect();
    assert!(found == expected.concat());
    download.take_received()
}

/// Connections for 40 requests over HTTP/1.1, of which four at a time are under way. A connection is free again a moment
/// after its answer was read; a request before that opens another one, which is kept, too.
const KEPT: RangeInclusive<usize> = 3..=8;

/// So many ranges of 1000 bytes, each 50,000 behind the one before it.
fn scattered(count: usize) -> Vec<Range<usize>> {
    let starts = (0..count).map(|number| number * 50_000);
    starts.map(|start| start..start + 1000).collect()
}

#[tokio::test]
async fn a_contiguous_range_is_one_request() {
    let (dir, bytes) = file(12 * MIB);
    let web = Web::new(dir.path().to_owned()).await;
    let chunks: Vec<_> = (1..300).map(|at| at * 40_000..(at + 1) * 40_000).collect();
    let received = download(&web, &http(), &bytes, &chunks).await;
    assert_eq!(web.ranges("file"), ["bytes=40000-11999999"]);
    assert_eq!((received, web.connections()), (11_960_000, 1));
}

#[tokio::test]
async fn small_gaps_are_fetched_along_and_dropped() {
    let (dir, bytes) = file(MIB);
    let web = Web::new(dir.path().to_owned()).await;
    let wanted = [100..200, 16_584..20_000, 36_385..40_000];
    let received = download(&web, &http(), &bytes, &wanted).await;
    assert_eq!(web.ranges("file"), ["bytes=100-19999", "bytes=36385-39999"]);
    assert_eq!(received, 19_900 + 3615);
}

#[tokio::test]
async fn scattered_ranges_share_four_connections_in_http_1() {
    let (dir, bytes) = file(3 * MIB);
    let web = Web::new(dir.path().to_owned()).await;
    web.gather(3);
    download(&web, &http(), &bytes, &scattered(40)).await;
    assert_eq!(web.requests(), 40);
    // One is being read meanwhile.
    assert_eq!(web.most_waiting(), 3);
    let found = web.connections();
    assert!(KEPT.contains(&found), "{found}");
}

#[tokio::test]
async fn scattered_ranges_share_one_connection_in_http_2() {
    let (dir, bytes) = file(3 * MIB);
    let identity = Identity::new();
    for (http2, connections, waiting) in [(true, 1..=1, 15), (false, KEPT, 3)] {
        let web = Web::tls(dir.path().to_owned(), &identity, http2).await;
        web.gather(waiting);
        let network = Network {
            authorities: identity.authority.clone().into_bytes(),
            ..Network::default()
        };
        download(&web, &http_over(&network), &bytes, &scattered(40)).await;
        assert_eq!(web.requests(), 40);
        let found = web.connections();
        assert!(connections.contains(&found), "http2: {http2}: {found}");
        assert_eq!(web.most_waiting(), waiting, "http2: {http2}");
    }
}

#[tokio::test]
async fn no_more_than_2_mib_are_asked_for_ahead() {
    let (dir, bytes) = file(12 * MIB);
    for (length, ahead) in [(MIB + 1, 1), (MIB, 2)] {
        let web = Web::new(dir.path().to_owned()).await;
        web.gather(ahead);
        let starts = (0..8).map(|at| at * 3 * MIB / 2);
        let wanted: Vec<_> = starts.map(|start| start..start + length).collect();
        download(&web, &http(), &bytes, &wanted).await;
        assert_eq!(web.most_waiting(), ahead);
    }
}

/// It is not asked for a second time, and never for two at once.
#[tokio::test]
async fn a_server_without_ranges_sends_the_file_once() {
    let (dir, bytes) = file(3 * MIB);
    let web = Web::new(dir.path().to_owned()).await;
    let whole = bytes.clone();
    web.lie(move |_, _, _| Some(answer(200, &[], whole.clone())));
    let received = download(&web, &http(), &bytes, &scattered(40)).await;
    assert_eq!((web.requests(), web.connections()), (1, 1));
    // What lies behind the last range is not waited for.
    assert!(
        (1_951_000..=3 * MIB as u64).contains(&received),
        "{received}"
    );
}

/// One of several behind the same address.
#[tokio::test]
async fn a_server_that_forgets_its_ranges_is_read_through_from_there() {
    let (dir, bytes) = file(3 * MIB);
    let web = Web::new(dir.path().to_owned()).await;
    let whole = bytes.clone();
    web.lie(move |_, range, _| (start(range) >= 500_000).then(|| answer(200, &[], whole.clone())));
    download(&web, &http(), &bytes, &scattered(40)).await;
    // Ten with ranges; those that were under way by then.
    let requests = web.requests();
    assert!((11..=14).contains(&requests), "{requests}");
}

#[tokio::test]
async fn ranges_may_go_back_in_the_file() {
    let (dir, bytes) = file(MIB);
    let web = Web::new(dir.path().to_owned()).await;
    let wanted = [
        500_000..500_100,
        500_050..600_000,
        0..10,
        0..10,
        MIB - 1..MIB,
    ];
    download(&web, &http(), &bytes, &wanted).await;
    assert_eq!(web.requests(), 5);
    let whole = bytes.clone();
    web.lie(move |_, _, _| Some(answer(200, &[], whole.clone())));
    download(&web, &http(), &bytes, &wanted).await;
    // Each way back reads it anew.
    assert_eq!(web.requests(), 5 + 4);
}

#[tokio::test]
async fn nothing_wanted_is_nothing_asked() {
    let (dir, bytes) = file(1000);
    let web = Web::new(dir.path().to_owned()).await;
    assert_eq!(download(&web, &http(), &bytes, &[]).await, 0);
    let empty = 5..5;
    assert_eq!(download(&web, &http(), &bytes, &[empty]).await, 0);
    assert_eq!(web.requests(), 0);
}
