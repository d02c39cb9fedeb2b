//! What is fetched: address, headers, compression and digest.

use url::Url;

use super::{each, said, twice};
use crate::Error;
use crate::config::report::Findings;
use crate::config::{Path, spec};
use crate::fetch::{address, is_data, look_at_data, short};

/// The schemes of Ignition's spec that ACL fetches.
const FETCHED: &[&str] = &["http", "https", "data", "file"];
/// The schemes of Ignition's spec that ACL does not fetch.
const NOT_FETCHED: &[&str] = &["s3", "gs", "tftp", "arn"];

/// Checks something that may be left out.
pub(super) fn check(resource: &spec::Resource, path: &Path, findings: &mut Findings) {
    let source = said(resource.source.as_ref());
    match source {
        Some(source) if is_data(source) => check_data(resource, source, path, findings),
        Some(source) => check_source(source, &path.field("source"), findings),
        None => {}
    }
    if let Some(compression) = said(resource.compression.as_ref()).filter(|name| *name != "gzip") {
        let message =
            format!("the compression {compression:?} is not known; use \"gzip\", or leave it out");
        findings.error(path.field("compression"), message);
    }
    check_digest(
        resource,
        &path.field("verification").field("hash"),
        findings,
    );
    check_headers(resource, source, &path.field("httpHeaders"), findings);
}

/// Checks something that must be there.
pub(super) fn check_required(resource: &spec::Resource, path: &Path, findings: &mut Findings) {
    if said(resource.source.as_ref()).is_none() {
        findings.error(
            path.field("source"),
            "a source is needed here: the URL to fetch",
        );
    }
    check(resource, path, findings);
}

fn check_source(source: &str, path: &Path, findings: &mut Findings) {
    // Before anything else: white space hides the scheme from `is_data`.
    if Url::parse(source).is_ok_and(|url| url.scheme() == "data") {
        let message = "a data: URL has no white space before it or in its scheme; leave it out";
        return findings.error(path.clone(), message);
    }
    let url = match address(source) {
        Ok(url) => url,
        Err(problem) => {
            let message = format!("{:?} is not an address: {problem}", short(source));
            return findings.error(path.clone(), message);
        }
    };
    let scheme = url.scheme();
    if NOT_FETCHED.contains(&scheme) {
        if let Some(problem) = wrong_object(&url) {
            return findings.error(path.clone(), problem);
        }
        let message = format!(
            "ACL does not fetch {scheme}: addresses; give an https: address, such as a signed one"
        );
        findings.warning(path.clone(), message);
    } else if !FETCHED.contains(&scheme) {
        let message = format!("the scheme {scheme:?} is not known; use https, http, data or file");
        findings.error(path.clone(), message);
    } else if scheme == "file" && url.to_file_path().is_err() {
        let message = "a file is named as file:///path, on the machine itself";
        findings.error(path.clone(), message);
    } else if matches!(scheme, "http" | "https")
        && (!url.username().is_empty() || url.password().is_some())
    {
        let message = "a name and password in the address can be read by every process; send a header instead";
        findings.warning(path.clone(), message);
    }
}

/// What Ignition refuses in an address of an S3 object, though ACL fetches none.
fn wrong_object(url: &Url) -> Option<&'static str> {
    if !matches!(url.scheme(), "s3" | "arn") {
        return None;
    }
    let mut pairs = url.query_pairs();
    let version = pairs.find(|(key, _)| key == "versionId");
    if version.is_some_and(|(_, version)| version.is_empty()) {
        return Some("versionId= needs a version; give one, or leave it out");
    }
    let is_arn = url.scheme() == "arn";
    (is_arn && !names_object(url.path()))
        .then_some("not the address of an S3 object; its form is arn:aws:s3:::BUCKET/OBJECT")
}

/// What follows `arn:`: partition, service, region, account and resource, which is `BUCKET/OBJECT` or
/// `accesspoint/NAME/OBJECT`.
fn names_object(path: &str) -> bool {
    let parts: Vec<&str> = path.splitn(5, ':').collect();
    let [_, "s3", _, _, resource] = parts.as_slice() else {
        return false;
    };
    let fewest = match resource.starts_with("accesspoint/") {
        true => 2,
        false => 1,
    };
    path.matches('/').count() >= fewest
}

/// What is in the config itself is unpacked here, as it is where it is needed (after disks were written).
fn check_data(resource: &spec::Resource, source: &str, path: &Path, findings: &mut Findings) {
    if !source.starts_with("data:") {
        let message = "the scheme of a data: URL is written in lower case";
        return findings.error(path.field("source"), message);
    }
    if !source.contains(',') {
        let message =
            "a data: URL has a comma before its content: data:,hello or data:;base64,aGVsbG8=";
        return findings.error(path.field("source"), message);
    }
    match look_at_data(resource) {
        Ok(()) => {}
        Err(Error::DataUrl { at, problem, .. }) => {
            let message = format!("this data: URL cannot be decoded: at byte {at}, {problem}");
            findings.error(path.field("source"), message);
        }
        Err(Error::Verify {
            algorithm, found, ..
        }) => {
            let message = format!(
                "the content of the data: URL has another digest; its {algorithm} is {found}"
            );
            findings.error(path.field("verification").field("hash"), message);
        }
        Err(_) => findings.error(
            path.field("source"),
            "the content of this data: URL is not gzip, or cut off; compress it, or leave the compression out",
        ),
    }
}

fn check_digest(resource: &spec::Resource, path: &Path, findings: &mut Findings) {
    let hash = resource.verification.as_ref();
    let Some(hash) = hash.and_then(|verification| verification.hash.as_deref()) else {
        return;
    };
    let form = "give sha256- and 64 hexadecimal digits, or sha512- and 128";
    let Some((function, sum)) = hash.split_once('-') else {
        return findings.error(
            path.clone(),
            format!("the digest {hash:?} has no function; {form}"),
        );
    };
    let digits = match function {
        "sha256" => 64,
        "sha512" => 128,
        _ => {
            let message = format!("the digest function {function:?} is not known; {form}");
            return findings.error(path.clone(), message);
        }
    };
    if sum.len() != digits || !sum.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let message = format!(
            "{function} has {digits} hexadecimal digits; this is {} characters that are not",
            sum.chars().count()
        );
        findings.error(path.clone(), message);
    } else if said(resource.source.as_ref()).is_none() {
        findings.error(
            path.clone(),
            "a digest without a source verifies nothing; give the source",
        );
    }
}

fn check_headers(
    resource: &spec::Resource,
    source: Option<&str>,
    path: &Path,
    findings: &mut Findings,
) {
    let headers = resource.http_headers.as_ref();
    if headers.is_none_or(Vec::is_empty) {
        return;
    }
    match source {
        None => findings.error(
            path.clone(),
            "headers need a source to be sent to; give it, or leave them out",
        ),
        Some(source) if !is_http(source) => findings.error(
            path.clone(),
            "headers are sent to http: and https: addresses only; leave them out",
        ),
        Some(_) => {}
    }
    for (path, header) in each(headers, path) {
        if !is_header(&header.name) {
            // Not the name itself: people write the whole header there.
            let message = "not the name of a header: it has no space and no colon, and what comes after that is the value";
            findings.error(path.field("name"), message);
        }
        let value = header.value.as_deref();
        if value == Some("") {
            let message = "a header has a value; give it, or leave the key out to take away the header of a config above";
            findings.error(path.field("value"), message);
        }
        if value.is_some_and(|value| http::HeaderValue::try_from(value).is_err()) {
            findings.error(
                path.field("value"),
                "the value of a header has no control characters and no line ends",
            );
        }
    }
    let names = each(headers, path)
        .filter(|(_, header)| is_header(&header.name))
        .map(|(path, header)| (path, header.name.to_ascii_lowercase()));
    twice::check("the header", names, findings);
}

/// Schemes may be written in capitals (RFC 3986, 3.1).
fn is_http(source: &str) -> bool {
    source.split_once(':').is_some_and(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}

fn is_header(name: &str) -> bool {
    http::HeaderName::try_from(name).is_ok()
}
