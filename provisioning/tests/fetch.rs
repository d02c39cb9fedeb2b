//! What a config names, fetched from servers on loopback that redirect, refuse, stall, break off and lie.

mod bytes;
mod proxy;
mod redirect;
mod retry;
pub(crate) mod server;
mod tls;

use std::time::Duration;

use acl_provision::Result;
use acl_provision::config::spec::{HttpHeadersItem, Ignition, Resource, Verification};
use acl_provision::fetch::{Fetcher, Patience};

/// A fetcher whose pauses nobody notices, and which gives up before a test runner would.
pub(crate) fn fetcher() -> Fetcher {
    Fetcher::new(patience()).unwrap()
}

fn patience() -> Patience {
    Patience {
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        fetch_timeout: Duration::from_secs(60),
        ..Patience::default()
    }
}

pub(crate) fn resource(source: &str) -> Resource {
    Resource {
        source: Some(source.to_owned()),
        ..Resource::default()
    }
}

fn gzip(source: &str) -> Resource {
    Resource {
        compression: Some("gzip".to_owned()),
        ..resource(source)
    }
}

pub(crate) fn verified(resource: Resource, hash: &str) -> Resource {
    Resource {
        verification: Some(Verification {
            hash: Some(hash.to_owned()),
        }),
        ..resource
    }
}

fn with_header(source: &str, name: &str, value: Option<&str>) -> Resource {
    Resource {
        http_headers: Some(vec![HttpHeadersItem {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        }]),
        ..resource(source)
    }
}

pub(crate) fn ignition(text: &str) -> Ignition {
    serde_json::from_str(text).unwrap()
}

/// The bytes of a fetch as text, or its error with all its causes.
pub(crate) fn told(fetched: Result<Vec<u8>>) -> String {
    match fetched {
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(error) => format!("{}: {}", error.who(), acl_host::error::chain(&error)),
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    format!("sha256-{}", hex::encode(digest))
}

pub(crate) fn sha512(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA512, bytes);
    format!("sha512-{}", hex::encode(digest))
}

/// One gzip member.
fn gzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Whether this is the process in which `variable` is `value`. When not, runs the test `name` in such a one, alone, and
/// expects it to pass: for what belongs to a whole process.
#[expect(
    clippy::disallowed_methods,
    reason = "the test itself, in another process"
)]
fn alone(name: &str, variable: &str, value: &str) -> bool {
    if acl_host::environment::variable(variable).is_some_and(|found| found == value) {
        return true;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let command = command.args(["--exact", name]).env(variable, value);
    let out = command.env_remove("SSL_CERT_DIR").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
    false
}
