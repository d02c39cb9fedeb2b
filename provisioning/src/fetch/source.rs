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
        let url = address(text).map_err(refuse)?;
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

/// Reads an address as strictly as Go's `url.Parse`, which Ignition validates with. [`Url`] alone follows browsers: it
/// takes out white space and line ends, reads `\` as `/` and `http:host` as `http://host`, so that another address would
/// be fetched than the config says.
///
/// # Errors
/// What is wrong with it, after "it is not an address: ".
pub(crate) fn address(text: &str) -> Result<Url, String> {
    if text.contains(|character: char| character.is_ascii_control()) {
        return Err("it has a line end or another control character; leave it out".to_owned());
    }
    if text != text.trim_matches(' ') {
        return Err("it begins or ends with a space; leave it out".to_owned());
    }
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            "it has no scheme; begin it with one, such as https://".to_owned()
        }
        url::ParseError::EmptyHost => "it names no host after its scheme".to_owned(),
        other => other.to_string(),
    })?;
    let (_, rest) = text.split_once(':').unwrap_or_default();
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (place, _query) = rest.split_once('?').unwrap_or((rest, ""));
    if matches!(url.scheme(), "http" | "https") {
        let Some(place) = place.strip_prefix("//") else {
            return Err(format!("write {0}://HOST after {0}:", url.scheme()));
        };
        if place.contains('\\') {
            return Err("it has a backslash; write /, or %5C where one is meant".to_owned());
        }
        let authority = place.split('/').next().unwrap_or_default();
        let login = authority.rsplit_once('@').map_or("", |(login, _)| login);
        if !login.bytes().all(is_login_byte) {
            let problem = "a character of its name or password must be written with a percent sign";
            return Err(problem.to_owned());
        }
    }
    if (place.starts_with('/') && !are_percents_right(place)) || !are_percents_right(fragment) {
        return Err("a percent sign in it needs two hexadecimal digits".to_owned());
    }
    Ok(url)
}

/// What may stand in a name and password as it is (RFC 3986, 3.2.1).
fn is_login_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)
}

fn are_percents_right(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
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
        Ok(url) if !url.cannot_be_a_base() && source.contains("://") => short_url(url),
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
            ("http:u:secret@host/a?b", "…@host/a?…".to_owned()),
            ("http:host/a", "http:host/a".to_owned()),
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

    /// Each as Go 1.24's `url.Parse` answers, but for the lines that say that they differ.
    #[test]
    fn addresses_are_read_as_strictly_as_by_ignition() {
        let read = |text: &str| address(text).map(String::from);
        for (text, url) in [
            ("https://a/b?c=%zz", "https://a/b?c=%zz"),
            ("https://a/b c", "https://a/b%20c"),
            ("https://a/%41%c3%a9", "https://a/%41%c3%a9"),
            ("https://me:p%40ss@a/", "https://me:p%40ss@a/"),
            ("HTTP://a", "http://a/"),
            ("arn:aws:s3:::b/100%", "arn:aws:s3:::b/100%"),
            ("tftp://h/f", "tftp://h/f"),
        ] {
            assert_eq!(read(text), Ok(url.to_owned()), "{text}");
        }
        let control = "it has a line end or another control character; leave it out";
        let space = "it begins or ends with a space; leave it out";
        let percent = "a percent sign in it needs two hexadecimal digits";
        let backslash = "it has a backslash; write /, or %5C where one is meant";
        let login = "a character of its name or password must be written with a percent sign";
        for (text, problem) in [
            ("https://a/b\n", control),
            ("https://a/\tb", control),
            ("https://a/\u{7f}", control),
            ("\nhttps://a/b", control),
            (" https://a/b", space),
            // Go takes the space at the end as part of the path; here it would be lost.
            ("https://a/b ", space),
            ("https://a/%zz", percent),
            ("https://a/100%", percent),
            ("tftp://h/%4", percent),
            ("https://a/b#%zz", percent),
            ("https://me&you<:x@a/", login),
            ("https://m e@a/", login),
            ("https://a\\b", backslash),
            // Go takes it in a path; here it would become a slash.
            ("https://a/b\\c", backslash),
            // Go takes both, and Ignition then finds no host to ask.
            ("http:a/b", "write http://HOST after http:"),
            ("https:/a/b", "write https://HOST after https:"),
            ("https://", "it names no host after its scheme"),
            (
                "a/b",
                "it has no scheme; begin it with one, such as https://",
            ),
        ] {
            assert_eq!(read(text), Err(problem.to_owned()), "{text:?}");
        }
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
                "cannot fetch a/b: it is not an address: it has no scheme; begin it with one, such as https://"
                    .to_owned(),
            ),
            (
                "http://",
                "cannot fetch http://: it is not an address: it names no host after its scheme"
                    .to_owned(),
            ),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
