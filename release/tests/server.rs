//! Servers that are not there, know no ranges, break off, or lie.

use acl_host::Who;
use acl_release::Error;
use acl_release::manifest::{Artifact, Part};
use acl_release::repository::read::Repository;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::site::{
    MEND, Memory, Site, answer, cut_answer, error, http, sources, stable, told, version,
};
use crate::web::start;

/// How an error about a refusal of the server ends.
const ASK: &str = "; check `server`, or ask whoever keeps the repository";

/// The artifact of usr, the path of its pack, and the pack.
async fn usr(site: &Site) -> (Artifact, String, Vec<u8>) {
    let artifact = site
        .open("node")
        .await
        .unwrap()
        .manifest(&version("1"), "x86-64")
        .await
        .unwrap()
        .artifacts
        .usr;
    let path = format!("blobs/{}", artifact.pack.sha256);
    let bytes = std::fs::read(site.path("repo").join(&path)).unwrap();
    (artifact, path, bytes)
}

fn is_whole(site: &Site, sink: &Memory, from: usize) {
    assert!(sink.bytes[from..] == std::fs::read(site.path("builds/1/usr")).unwrap()[from..]);
}

#[tokio::test]
async fn nobody_there() {
    let site = Site::new().await;
    let root = std::fs::read(site.path("repo/metadata/1.root.json")).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let opened = Repository::open(
        sources(&[&format!("http://{free}/r")]),
        &root,
        &site.path("node"),
        http(),
        site.clock.clone(),
    )
    .await;
    let failed = error(opened);
    assert_eq!(failed.who(), Who::Environment);
    assert_eq!(
        failed.to_string(),
        format!(
            "cannot reach http://{free}/r/metadata/2.root.json; check `server` and the network"
        )
    );
    assert!(
        acl_host::error::chain(&failed).contains("Connection refused"),
        "{}",
        acl_host::error::chain(&failed)
    );
}

#[tokio::test]
async fn no_repository_there() {
    let site = Site::new().await;
    std::fs::remove_dir_all(site.path("repo/metadata")).unwrap();
    let other = Site::new().await;
    std::fs::copy(
        other.path("repo/metadata/1.root.json"),
        site.path("root.json"),
    )
    .unwrap();
    let told = told(site.open("node").await);
    assert_eq!(
        told,
        format!(
            "the server answers 404 Not Found for {}{ASK}",
            site.url("metadata/timestamp.json")
        )
    );
}

#[tokio::test]
async fn a_server_without_ranges_is_read_through() {
    let site = Site::new().await;
    let (_, path, bytes) = usr(&site).await;
    let asked = path.clone();
    site.lie(move |path, _, _| (path[1..] == asked).then(|| answer(200, &[], bytes.clone())));
    let mut sink = Memory::default();
    site.fetch(Part::Usr, 0, &mut sink).await.unwrap();
    is_whole(&site, &sink, 0);
    let mut sink = Memory::default();
    site.fetch(Part::Usr, 7, &mut sink).await.unwrap();
    is_whole(&site, &sink, 0);
    assert_eq!(site.asked(&path), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let site = Site::new().await;
    let (artifact, path, bytes) = usr(&site).await;
    let asked = path.clone();
    site.lie(move |path, range, _| {
        let begin = start(Some(range.filter(|_| path[1..] == asked)?));
        let end = bytes.len().min(begin + 300_001);
        let headers = [(
            "content-range",
            format!("bytes {begin}-{}/{}", bytes.len() - 1, bytes.len()),
        )];
        Some(match end == bytes.len() {
            true => answer(206, &headers, bytes[begin..].to_vec()),
            false => cut_answer(
                206,
                &headers,
                bytes[begin..end].to_vec(),
                bytes.len() - begin,
            ),
        })
    });
    let mut sink = Memory::default();
    site.fetch(Part::Usr, 0, &mut sink).await.unwrap();
    is_whole(&site, &sink, 0);
    assert_eq!(sink.fetched, artifact.pack.size + artifact.index.size);
    assert_eq!(
        site.asked(&path) as u64,
        artifact.pack.size.div_ceil(300_001)
    );
}

#[tokio::test]
async fn a_connection_that_always_breaks_at_once_is_given_up() {
    let site = Site::new().await;
    let (artifact, path, bytes) = usr(&site).await;
    let asked = path.clone();
    site.lie(move |path, _, _| {
        let headers = [(
            "content-range",
            format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len()),
        )];
        (path[1..] == asked).then(|| cut_answer(206, &headers, Vec::new(), bytes.len()))
    });
    let failed = error(site.fetch(Part::Usr, 0, &mut Memory::default()).await);
    assert!(
        matches!(
            failed,
            Error::Transfer { position: 0, .. } | Error::Cut { position: 0, .. }
        ),
        "{failed}"
    );
    assert_eq!((failed.who(), site.asked(&path)), (Who::Server, 3));
    assert!(artifact.pack.size > 0);
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    for status in [500, 502, 503, 429, 408] {
        let site = Site::new().await;
        site.lie(move |path, _, before| {
            (path == "/metadata/timestamp.json" && before < 2)
                .then(|| answer(status, &[], Vec::new()))
        });
        site.open("node").await.unwrap();
        assert_eq!(site.asked("metadata/timestamp.json"), 3);
    }
}

#[tokio::test]
async fn a_server_that_stays_busy_is_given_up() {
    let site = Site::new().await;
    site.lie(|path, _, _| {
        (path == "/metadata/timestamp.json").then(|| answer(503, &[], Vec::new()))
    });
    let failed = error(site.open("node").await);
    let expected = format!(
        "the server answers 503 Service Unavailable for {}{ASK}",
        site.url("metadata/timestamp.json")
    );
    assert_eq!((failed.to_string(), failed.who()), (expected, Who::Server));
    assert_eq!(site.asked("metadata/timestamp.json"), 3);
    site.honest();
    site.open("node").await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once() {
    let site = Site::new().await;
    let (_, path, _) = usr(&site).await;
    std::fs::remove_file(site.path("repo").join(&path)).unwrap();
    let told = told(site.fetch(Part::Usr, 0, &mut Memory::default()).await);
    assert_eq!(
        told,
        format!(
            "the server answers 404 Not Found for {}{ASK}",
            site.url(&path)
        )
    );
    assert_eq!(site.asked(&path), 1);
}

#[tokio::test]
async fn a_file_of_another_length_is_refused_before_it_is_read() {
    let site = Site::new().await;
    let (artifact, path, bytes) = usr(&site).await;
    acl_host::file::scratch(site.path("repo").join(&path), &bytes[..1000]).unwrap();
    let expected = |found| {
        format!(
            "the server says that {} is {found} bytes long, it should be {}{MEND}",
            site.url(&path),
            artifact.pack.size
        )
    };
    // Shorter than the range that is asked for, the file is sent as 206 up to its end.
    assert_eq!(
        told(site.fetch(Part::Usr, 0, &mut Memory::default()).await),
        expected(1000)
    );
    let longer = [bytes.as_slice(), b"more"].concat();
    acl_host::file::scratch(site.path("repo").join(&path), &longer).unwrap();
    assert_eq!(
        told(site.fetch(Part::Usr, 0, &mut Memory::default()).await),
        expected(artifact.pack.size + 4)
    );
    let asked = path.clone();
    site.lie(move |path, _, _| (path[1..] == asked).then(|| answer(200, &[], vec![0; 10])));
    assert_eq!(
        told(site.fetch(Part::Usr, 0, &mut Memory::default()).await),
        expected(10)
    );
}

#[tokio::test]
async fn another_range_than_the_one_asked_for() {
    let site = Site::new().await;
    let (_, path, bytes) = usr(&site).await;
    let asked = path.clone();
    site.lie(move |path, _, _| {
        let headers = [(
            "content-range",
            format!("bytes 1-{}/{}", bytes.len() - 1, bytes.len()),
        )];
        (path[1..] == asked).then(|| answer(206, &headers, bytes[1..].to_vec()))
    });
    let told = told(site.fetch(Part::Usr, 0, &mut Memory::default()).await);
    let expected = format!(
        "the server sends another range of {} than the one that was asked for, from byte 0 on: \"bytes 1-",
        site.url(&path)
    );
    assert!(told.starts_with(&expected), "{told}");
    assert!(told.ends_with(MEND), "{told}");
}

#[tokio::test]
async fn a_document_without_end() {
    let site = Site::new().await;
    site.lie(|path, _, _| {
        (path == "/metadata/timestamp.json").then(|| answer(200, &[], vec![b' '; 65_537]))
    });
    let told = told(site.open("node").await);
    assert_eq!(
        told,
        format!(
            "{} is longer than 65536 bytes{MEND}",
            site.url("metadata/timestamp.json")
        )
    );
}

#[tokio::test]
async fn an_index_longer_than_the_manifest_says() {
    let site = Site::new().await;
    let (artifact, ..) = usr(&site).await;
    let path = format!("blobs/{}", artifact.index.sha256);
    let asked = path.clone();
    site.lie(move |path, _, _| (path[1..] == asked).then(|| answer(200, &[], vec![0; 1 << 20])));
    let told = told(site.fetch(Part::Usr, 0, &mut Memory::default()).await);
    assert_eq!(
        told,
        format!(
            "{} is longer than {} bytes{MEND}",
            site.url(&path),
            artifact.index.size
        )
    );
}

#[tokio::test]
async fn what_the_repository_does_not_have() {
    let site = Site::new().await;
    let repository = site.open("node").await.unwrap();
    let failed = error(repository.channel(&"nightly".parse().unwrap()).await);
    assert_eq!(
        failed.to_string(),
        format!(
            "the repository at {} has no channel 'nightly'; set `channel` to one that it has",
            site.url("")
        )
    );
    assert_eq!(failed.who(), Who::Operator);
    let failed = error(repository.manifest(&version("9"), "x86-64").await);
    assert_eq!(
        failed.to_string(),
        format!(
            "the repository at {} has no release 9 for x86-64{MEND}",
            site.url("")
        )
    );
    assert_eq!(
        repository.channel(&stable()).await.unwrap().releases.len(),
        1
    );
}

/// What else lies in the directory, such as keys or a lock, is served to nobody.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, a line a case")]
async fn only_what_readers_ask_for_is_served() {
    let site = Site::new().await;
    for name in ["repo/keys/root.key", "repo/metadata.old", "secret"] {
        let path = site.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        acl_host::file::scratch(path, b"secret").unwrap();
    }
    let document = site.file(".x86-64.json");
    let document = document
        .strip_prefix(site.path("repo"))
        .unwrap()
        .to_str()
        .unwrap();
    let blob = crate::site::files(&site.path("repo/blobs")).remove(0);
    for (link, target) in [
        ("metadata/link.json", "../keys/root.key"),
        ("metadata/far", "/"),
        ("targets/keys", "../keys"),
        ("blobs/self", "self"),
        ("metadata/inside.json", "timestamp.json"),
    ] {
        std::os::unix::fs::symlink(target, site.path("repo").join(link)).unwrap();
    }
    // The operator may keep what is published on another disk.
    std::fs::rename(site.path("repo/blobs"), site.path("disk")).unwrap();
    std::os::unix::fs::symlink(site.path("disk"), site.path("repo/blobs")).unwrap();
    let blob = format!("blobs/{}", blob.file_name().unwrap().to_str().unwrap());
    let secret = site.path("secret").display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let repository = site.path("repo");
    tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        acl_release::repository::serve::serve(listener, &repository, stopped).await
    });
    for (path, status) in [
        ("metadata/timestamp.json", "200 OK"),
        (document, "200 OK"),
        (".lock", "404 Not Found"),
        ("keys/root.key", "404 Not Found"),
        ("metadata.old", "404 Not Found"),
        ("metadata/../keys/root.key", "404 Not Found"),
        ("metadata/%2e%2e/keys/root.key", "404 Not Found"),
        ("../secret", "404 Not Found"),
        ("", "404 Not Found"),
        ("metadata/", "404 Not Found"),
        ("metadata/link.json", "404 Not Found"),
        ("metadata/%6cink.json", "404 Not Found"),
        (&format!("metadata/far{secret}"), "404 Not Found"),
        ("targets/keys/root.key", "404 Not Found"),
        ("blobs/self", "404 Not Found"),
        ("metadata/inside.json", "404 Not Found"),
        (&blob, "200 OK"),
        ("metadata/%74imestamp.json", "200 OK"),
        ("metadata/timestamp.json/x", "404 Not Found"),
        ("metadata/timestamp.json%00", "404 Not Found"),
    ] {
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(
            answer.lines().next(),
            Some(format!("HTTP/1.1 {status}").as_str()),
            "{path}"
        );
        assert!(!answer.contains("secret"), "{path}");
    }
}
