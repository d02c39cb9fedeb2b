//! What a `source` names, and how it may be shown.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use url::Url;

use super::data::DataUrl;
use crate::{Error, Result};

/// The longest address that is shown whole.
const LONGEST: usize = 200;

/// The longest beginning of a `data:` URL, or of what is no address, that is shown.
const BEGINNING: usize = 60;

/// What a `source` names.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// An absent or empty source: no bytes.
    Nothing,
    Data(DataUrl<'a>),
    File(PathBuf),
    Http(Url),
}

impl<'a> Source<'a> {
    /// Reads a source. Ignition's other schemes (`s3`, `arn`, `gs`, `tftp`) are refused; `file` is ours.
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::Nothing);
        }
        // Not by `Url`, which would copy, and take out what it thinks does not belong into a URL.
        if is_data(text) {
            return DataUrl::parse(text).map(Self::Data);
        }
        let refuse = |problem: String| Error::SourceAddress {
            url: short(text),
            problem,
        };
        let url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Http(url)),
            "file" => match url.to_file_path() {
                Ok(path) => Ok(Self::File(path)),
                Err(()) => Err(refuse(
                    "a file is named as file:///path, on this machine".to_owned(),
                )),
            },
            scheme => Err(Error::Scheme {
                url: short(text),
                scheme: scheme.to_owned(),
            }),
        }
    }
}

/// Refuses a source whose scheme nothing here fetches, without a look at the rest of it.
///
/// # Errors
/// [`Error::Scheme`].
pub(crate) fn check_scheme(text: &str) -> Result<()> {
    // A `data:` URL is not parsed, which would copy it.
    if is_data(text) {
        return Ok(());
    }
    match Source::parse(text) {
        Err(error @ Error::Scheme { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// Reads a local file piece by piece.
pub(super) fn read(
    path: &Path,
    url: &str,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let failed = |source| Error::LocalFile {
        url: url.to_owned(),
        source,
    };
    // A pipe would block when it is opened, a device might never end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::NotAFile {
            url: url.to_owned(),
            path: path.to_owned(),
        });
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(()),
            length => take(&buffer[..length])?,
        }
    }
}

/// Whether it is a `data:` URL.
pub(crate) fn is_data(text: &str) -> bool {
    text.get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// An address as errors, logs and reports may show it: without what may be a secret (a name and password, a query, which
/// is where signed addresses carry their signature, the contents of a `data:` URL), and not long.
pub(crate) fn short(source: &str) -> String {
    if is_data(source) {
        return short_data(source);
    }
    match Url::parse(source) {
        // One that white space or a line end hides from `is_data`.
        Ok(url) if url.scheme() == "data" => short_data(url.as_str()),
        Ok(url) if !url.cannot_be_a_base() => short_url(url),
        // Also `user:password@host`, which is a URL of the scheme `user`.
        _ => short_text(source),
    }
}

fn short_data(source: &str) -> String {
    let head = source.split_once(',').map_or("data:", |(head, _)| head);
    format!("{},… ({} characters)", cut(head, BEGINNING), source.len())
}

fn short_url(mut url: Url) -> String {
    if !url.username().is_empty() || url.password().is_some() {
        // Both fail only for addresses that cannot have them.
        let _ = url.set_password(None);
        let _ = url.set_username("…");
    }
    if url.query().is_some() {
        url.set_query(Some(""));
    }
    url.set_fragment(None);
    let mut text = url.as_str().replace("%E2%80%A6", "…");
    if text.ends_with('?') {
        text.push('…');
    }
    cut(&text, LONGEST)
}

/// What is no address: what looks like the secrets of one is left out.
fn short_text(text: &str) -> String {
    let shown = match text.rsplit_once('@') {
        // Where the password ends cannot be told.
        Some((before, _)) if before.contains(['?', '#']) => return "…".to_owned(),
        Some((_, host)) => format!("…@{host}"),
        None => text.to_owned(),
    };
    match shown.find(['?', '#']) {
        Some(end) => format!("{}…", cut(&shown[..=end], BEGINNING)),
        None => cut(&shown, BEGINNING),
    }
}

/// The first `longest` characters.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets() {
        let long = format!("https://example.com/{}", "a".repeat(300));
        let cases = [
            ("", String::new()),
            ("https://example.com/a", "https://example.com/a".to_owned()),
            (
                "https://u:secret@example.com/a?sig=secret#b",
                "https://…@example.com/a?…".to_owned(),
            ),
            (
                "https://token@example.com/",
                "https://…@example.com/".to_owned(),
            ),
            (
                "https://:secret@example.com/a@b",
                "https://…@example.com/a@b".to_owned(),
            ),
            ("user:secret@proxy:3128", "…@proxy:3128".to_owned()),
            ("//user:secret@host/a?sig=b", "…@host/a?…".to_owned()),
            ("https://u:se/cret@host/", "…@host/".to_owned()),
            ("https://u:se#cret@host/", "…".to_owned()),
            ("host/a?sig=me@here", "…".to_owned()),
            ("host/a#secret", "host/a#…".to_owned()),
            (
                "arn:aws:s3:::b/k?versionId=7",
                "arn:aws:s3:::b/k?…".to_owned(),
            ),
            (" data:,secret", "data:,… (12 characters)".to_owned()),
            (
                "da\nta:text/plain,secret",
                "data:text/plain,… (22 characters)".to_owned(),
            ),
            ("data:,secret", "data:,… (12 characters)".to_owned()),
            (
                "DATA:text/plain;base64,c2VjcmV0",
                "DATA:text/plain;base64,… (31 characters)".to_owned(),
            ),
            ("data:secret", "data:,… (11 characters)".to_owned()),
            (&long, format!("https://example.com/{}…", "a".repeat(180))),
            ("no address", "no address".to_owned()),
            (
                "s3://bucket/key?versionId=7",
                "s3://bucket/key?…".to_owned(),
            ),
        ];
        for (source, shown) in cases {
            assert_eq!(short(source), shown, "{source}");
        }
        let long = format!("data:{}", ";".repeat(90));
        assert_eq!(
            short(&format!("{long},x")),
            format!("data:{}…,… (97 characters)", ";".repeat(55))
        );
    }

    #[test]
    fn sources_by_scheme() {
        let told = |text: &str| match Source::parse(text) {
            Ok(Source::Nothing) => "nothing".to_owned(),
            Ok(Source::Data(_)) => "data".to_owned(),
            Ok(Source::File(path)) => format!("file {}", path.display()),
            Ok(Source::Http(url)) => format!("http {url}"),
            Err(error) => error.to_string(),
        };
        let refused = |text: &str, scheme: &str| {
            format!(
                "cannot fetch {text}: its scheme {scheme} is not supported; use https, http, data or file"
            )
        };
        for (text, expected) in [
            ("", "nothing".to_owned()),
            ("data:,", "data".to_owned()),
            ("Data:,", "data".to_owned()),
            ("http://a", "http http://a/".to_owned()),
            ("HTTPS://a/b", "http https://a/b".to_owned()),
            ("file:///etc/a%20b", "file /etc/a b".to_owned()),
            ("file://localhost/a", "file /a".to_owned()),
            ("s3://b/k", refused("s3://b/k", "s3")),
            ("gs://b/k", refused("gs://b/k", "gs")),
            ("tftp://h/f", refused("tftp://h/f", "tftp")),
            ("arn:aws:s3:::b/k", refused("arn:aws:s3:::b/k", "arn")),
            ("blob:x", refused("blob:x", "blob")),
            ("oem:///a", refused("oem:///a", "oem")),
            (
                "file://host/a",
                "cannot fetch file://host/a: it is not an address: a file is named as file:///path, on this machine"
                    .to_owned(),
            ),
            (
                "a/b",
                "cannot fetch a/b: it is not an address: relative URL without a base".to_owned(),
            ),
            (
                "http://",
                "cannot fetch http://: it is not an address: empty host".to_owned(),
            ),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
