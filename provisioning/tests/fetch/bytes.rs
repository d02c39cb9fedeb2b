//! What becomes of the bytes: decompressed, verified, limited, and handed over only then.

use std::io::{Read, Write};

use super::server::{Server, ok};
use super::{alone, fetcher, gzip, gzipped, resource, sha256, sha512, told, verified};
use crate::fetch::with_header;

const TEXT: &[u8] = b"hello, provisioned world\n";

/// A `data:` URL of bytes.
fn data(bytes: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("data:;base64,{text}")
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let step = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}

#[tokio::test]
async fn sources_of_every_kind() {
    let server = Server::new(|_| ok(TEXT)).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a file");
    acl_host::file::scratch(&path, TEXT).unwrap();
    let file = format!("file://{}", path.display()).replace(' ', "%20");
    let text = String::from_utf8(TEXT.to_owned()).unwrap();
    let missing = format!("file://{}/missing", dir.path().display());
    let directory = format!("file://{}", dir.path().display());
    for (source, expected) in [
        (server.url("/a"), text.clone()),
        (data(TEXT), text.clone()),
        (file, text),
        (String::new(), String::new()),
        ("data:,".to_owned(), String::new()),
        (
            missing.clone(),
            format!("operator: cannot read {missing}: No such file or directory (os error 2)"),
        ),
        (
            directory.clone(),
            format!(
                "operator: cannot fetch {directory}: {} is not a regular file",
                dir.path().display()
            ),
        ),
        (
            "s3://bucket/key".to_owned(),
            "operator: cannot fetch s3://bucket/key: its scheme s3 is not supported; use https, http, data or file"
                .to_owned(),
        ),
        (
            "data:;base64,secret!!".to_owned(),
            "operator: cannot decode data:;base64,… (21 characters): at byte 19, there is a character that is not base64"
                .to_owned(),
        ),
    ] {
        let found = fetcher().fetch(&resource(&source), 1 << 20).await;
        assert_eq!(told(found), expected, "{source}");
    }
    let nothing = fetcher()
        .fetch(&acl_provision::config::spec::Resource::default(), 0)
        .await;
    assert_eq!(nothing.unwrap(), b"");
}

#[tokio::test]
async fn hashes_are_of_the_bytes_after_decompression() {
    let packed = gzipped(TEXT);
    let url = data(&packed);
    let shown = format!("data:;base64,… ({} characters)", url.len());
    let other = |algorithm: &str, expected: &str, found: &str| {
        format!(
            "operator: {shown} is not what the config expects: its {algorithm} is {}, not {}; correct the hash in the config, or the contents",
            &found[7..],
            &expected[7..]
        )
    };
    let text = String::from_utf8(TEXT.to_owned()).unwrap();
    for (hash, expected) in [
        (sha256(TEXT), text.clone()),
        (sha512(TEXT), text.clone()),
        (format!("sha256-{}", sha256(TEXT)[7..].to_uppercase()), text),
        (
            sha256(&packed),
            other("SHA-256", &sha256(&packed), &sha256(TEXT)),
        ),
        (
            sha512(&packed),
            other("SHA-512", &sha512(&packed), &sha512(TEXT)),
        ),
    ] {
        let found = fetcher().fetch(&verified(gzip(&url), &hash), 1 << 20).await;
        assert_eq!(told(found), expected, "{hash}");
    }
    let wrong = verified(resource(""), &sha256(TEXT));
    let found = told(fetcher().fetch(&wrong, 1 << 20).await);
    assert_eq!(
        found,
        format!(
            "operator:  is not what the config expects: its SHA-256 is {}, not {}; correct the hash in the config, or the contents",
            &sha256(b"")[7..],
            &sha256(TEXT)[7..]
        )
    );
}

#[tokio::test]
async fn gzip_must_be_whole() {
    let whole = gzipped(TEXT);
    let mut two = whole.clone();
    two.extend(gzipped(b"again"));
    let mut damaged = whole.clone();
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    let mut trailing = whole.clone();
    trailing.extend(b"garbage behind it");
    for (name, bytes, expected) in [
        ("whole", whole.clone(), Some(TEXT.to_vec())),
        ("two members", two.clone(), Some([TEXT, b"again"].concat())),
        ("plain text", TEXT.to_vec(), None),
        ("nothing", Vec::new(), None),
        ("half a header", whole[..5].to_vec(), None),
        ("half", whole[..whole.len() / 2].to_vec(), None),
        (
            "without its length",
            whole[..whole.len() - 4].to_vec(),
            None,
        ),
        (
            "without its second end",
            two[..two.len() - 9].to_vec(),
            None,
        ),
        ("wrong checksum", damaged, None),
        ("garbage behind it", trailing, None),
    ] {
        let url = data(&bytes);
        let found = fetcher().fetch(&gzip(&url), 1 << 20).await;
        match (found, expected) {
            (Ok(found), Some(expected)) => assert_eq!(found, expected, "{name}"),
            (Err(error), None) => assert_eq!(
                error.to_string(),
                format!(
                    "cannot decompress data:;base64,… ({} characters): it is not whole gzip data; compress it, or leave the compression out",
                    url.len()
                ),
                "{name}"
            ),
            (found, _) => panic!("{name}: {}", told(found)),
        }
    }
    let mut unknown = resource("data:,");
    unknown.compression = Some("xz".to_owned());
    assert_eq!(
        told(fetcher().fetch(&unknown, 0).await),
        "operator: cannot fetch data:,… (6 characters): the compression 'xz' is not known; use gzip or none"
    );
}

#[tokio::test]
async fn what_is_held_in_memory_has_a_limit_after_decompression() {
    let zeros = vec![0; 1 << 20];
    let bomb = gzip(&data(&gzipped(&zeros)));
    assert!(bomb.source.as_ref().unwrap().len() < 2000);
    for (limit, whole) in [(1 << 20, true), ((1 << 20) - 1, false), (0, false)] {
        let found = fetcher().fetch(&bomb, limit).await;
        match found {
            Ok(found) => assert!(whole && found == zeros),
            Err(error) => {
                let told = error.to_string();
                let end = format!("is longer than {limit} bytes");
                assert!(!whole && told.ends_with(&end), "{limit}: {told}");
            }
        }
    }
    let server = Server::new(|_| ok(TEXT)).await;
    let found = fetcher().fetch(&resource(&server.url("/")), 24).await;
    let expected = format!("operator: {} is longer than 24 bytes", server.url("/"));
    assert_eq!(told(found), expected);
    assert_eq!(server.asked().len(), 1);
}

/// Counts what it gets, and takes only so much.
struct Sink {
    taken: Vec<u8>,
    room: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.taken.len() + bytes.len() > self.room {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_is_handed_over_before_all_is_verified() {
    // More than is kept in memory.
    let bytes = noise(5 << 20);
    let packed = gzipped(&bytes);
    let cut = packed[..packed.len() - 1].to_vec();
    let served = packed.clone();
    let server = Server::new(move |asked| match asked.target.as_str() {
        "/whole" => ok(&served),
        _ => ok(&cut),
    })
    .await;
    let whole = gzip(&server.url("/whole"));
    let cases = [
        (verified(whole.clone(), &sha512(&bytes)), true),
        (whole.clone(), true),
        (verified(whole.clone(), &sha512(&packed)), false),
        (gzip(&server.url("/cut")), false),
    ];
    for (resource, good) in cases {
        let mut sink = Sink {
            taken: Vec::new(),
            room: usize::MAX,
        };
        let fetched = fetcher().fetch_to(&resource, &mut sink).await;
        assert_eq!(fetched.is_ok(), good, "{fetched:?}");
        assert!(sink.taken == if good { &bytes[..] } else { &[] });
    }
    let mut full = Sink {
        taken: Vec::new(),
        room: 100_000,
    };
    let failed = fetcher().fetch_to(&whole, &mut full).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        format!(
            "cannot write the bytes of {} to their file",
            server.url("/whole")
        )
    );
}

#[tokio::test]
async fn long_ones_are_kept_in_the_directory_that_is_named() {
    let bytes = noise(2 << 20);
    let url = data(&bytes);
    let dir = tempfile::tempdir().unwrap();
    let there = fetcher().spooling_in(dir.path());
    assert!(there.fetch(&resource(&url), 2 << 20).await.unwrap() == bytes);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let gone = dir.path().join("gone");
    let failed = fetcher()
        .spooling_in(&gone)
        .fetch(&resource(&url), 2 << 20)
        .await;
    let expected = format!(
        "cannot keep the bytes of data:;base64,… ({} characters) in {} until they are verified",
        url.len(),
        gone.display()
    );
    assert_eq!(failed.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn headers_that_a_server_gets() {
    let server = Server::new(|_| ok(TEXT)).await;
    let agent = concat!("acl-provision/", env!("CARGO_PKG_VERSION"));
    let fetcher = fetcher();
    fetcher
        .fetch(&resource(&server.url("/file")), 99)
        .await
        .unwrap();
    fetcher
        .fetch_config(&resource(&server.url("/config")))
        .await
        .unwrap();
    let own = with_header(&server.url("/own"), "Accept", Some("text/html, text/plain"));
    fetcher.fetch_config(&own).await.unwrap();
    let own = with_header(&server.url("/own"), "x-token", Some("secret"));
    fetcher.fetch(&own, 99).await.unwrap();
    let found: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| {
            let names = ["accept", "accept-encoding", "user-agent", "x-token"];
            names.map(|name| asked.header(name).unwrap_or("none").to_owned())
        })
        .collect();
    let config = "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1";
    assert_eq!(
        found,
        [
            [config, "identity", agent, "none"],
            [config, "identity", agent, "none"],
            ["text/html, text/plain", "identity", agent, "none"],
            [config, "identity", agent, "secret"],
        ]
    );
    for (name, value, problem) in [
        ("", Some("a"), "is not the name of a header"),
        ("a b", Some("a"), "is not the name of a header"),
        ("x", None, "has no value"),
        ("x", Some(""), "has no value"),
        ("x", Some("a\nb"), "has a value that no header can have"),
    ] {
        let found = fetcher
            .fetch(&with_header(&server.url("/"), name, value), 99)
            .await;
        let expected = format!(
            "operator: cannot fetch {}: the header '{name}' {problem}",
            server.url("/")
        );
        assert_eq!(told(found), expected);
    }
}

/// The most memory that this process ever had, in KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().split(' ').next();
    number.unwrap().parse().unwrap()
}

#[tokio::test]
async fn long_ones_need_little_memory() {
    let name = "fetch::bytes::long_ones_need_little_memory";
    if !alone(name, "ACL_TEST_ALONE", "memory") {
        return;
    }
    let length = 128 << 20;
    let packed = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(&mut std::io::repeat(0).take(length), &mut encoder).unwrap();
        encoder.finish().unwrap()
    };
    let server = Server::new(move |_| ok(&packed)).await;
    let wanted = gzip(&server.url("/"));
    let before = most_memory();
    fetcher()
        .fetch_to(&wanted, &mut std::io::sink())
        .await
        .unwrap();
    let grown = most_memory() - before;
    assert!(grown < 16 << 10, "{grown} KiB more than {before} KiB");
}
