//! When an archive's index was made.
//!
//! An index that its archive signed once stays signed. Where it has no `Valid-Until`, as Debian's stable suites have none, a
//! mirror could give an old one for ever; so a lock keeps the date of each, and a later build takes nothing older.
//! Source: Debian's repository format, "Release files".

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The date of a source's index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dated {
    /// The source of the recipe.
    pub source: String,
    /// Its suite.
    pub suite: String,
    /// When the archive made it.
    pub date: Timestamp,
}

/// Those of `now` with which no one of `before` can be compared: their source or suite is another one.
pub fn without_earlier<'a>(now: &'a [Dated], before: &[Dated]) -> Vec<&'a Dated> {
    let known = |now: &&Dated| before.iter().any(|before| same(before, now));
    now.iter().filter(|now| !known(now)).collect()
}

fn same(a: &Dated, b: &Dated) -> bool {
    (&a.source, &a.suite) == (&b.source, &b.suite)
}

/// The first of `now` that is older than the one of the same source and suite in `before`, and that one.
pub fn older<'a>(now: &'a [Dated], before: &'a [Dated]) -> Option<(&'a Dated, &'a Dated)> {
    now.iter().find_map(|now| {
        let least = before.iter().find(|before| same(before, now))?;
        (now.date < least.date).then_some((now, least))
    })
}

/// Where apt keeps the signed index (`InRelease`) of `suite` at `mirror`, if `line` is about one of its lists:
/// `URL SUITE KEY FILE`, where the file's name ends as the key does.
pub(super) fn index(line: &str, mirror: &str, suite: &str) -> Option<PathBuf> {
    let mut words = line.splitn(4, ' ');
    let same = words.next()?.trim_end_matches('/') == mirror && words.next()? == suite;
    let end = format!("_{}", words.next()?.replace('/', "_"));
    let start = words.next()?.strip_suffix(&end)?;
    same.then(|| PathBuf::from(format!("{start}_InRelease")))
}

/// The field `Date` of the index at `path`; `None` if what is signed of it has none that can be read.
pub(super) fn date(path: &Path) -> Option<Timestamp> {
    let text = acl_host::file::read_to_string(path).ok()?;
    let date = signed(&text)?
        .lines()
        .find_map(|line| line.strip_prefix("Date: "))?;
    // The one name of a zone that archives use, and that RFC 2822 does not have.
    let date = date.trim().replace("UTC", "+0000");
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(&date)
        .ok()
}

/// What is signed of a message in the cleartext signature framework (RFC 4880, section 7); `None` for anything else.
///
/// apt takes a message with further armor headers, which nobody signed: a mirror could put a `Date:` there. So the only
/// header that may be there is the one that the framework has, and nothing stands before the message.
fn signed(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----\n")?;
    loop {
        let (header, below) = rest.split_once('\n')?;
        rest = below;
        match header {
            "" => break,
            header if header.starts_with("Hash: ") => {}
            _ => return None,
        }
    }
    let (signed, _) = rest.split_once("\n-----BEGIN PGP SIGNATURE-----\n")?;
    Some(signed)
}

#[cfg(test)]
mod tests {
    use super::{date, index};
    use std::path::Path;

    #[test]
    fn indexes_of_sources() {
        let line = "http://m.example/debian/ trixie main/binary-amd64/Packages \
                    /c d/lists/m.example_debian_dists_trixie_main_binary-amd64_Packages";
        let path = Path::new("/c d/lists/m.example_debian_dists_trixie_InRelease");
        let mirror = "http://m.example/debian";
        assert_eq!(index(line, mirror, "trixie").as_deref(), Some(path));
        assert_eq!(index(line, mirror, "forky"), None);
        assert_eq!(index(line, "http://m.example/other", "trixie"), None);
    }

    #[test]
    fn dates_of_indexes() {
        let then = Some("2025-11-15T10:24:08Z");
        let signed = "Origin: a\nDate: Sat, 15 Nov 2025 10:24:08 UTC\n";
        let later = "Date: Sun, 15 Nov 2099 10:24:08 UTC\n";
        let end = "-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----\n";
        let begin = "-----BEGIN PGP SIGNED MESSAGE-----\n";
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, expected) in [
            (format!("{begin}Hash: SHA256\n\n{signed}{end}"), then),
            (format!("{begin}\n{signed}{end}"), then),
            // What nobody signed: a header, what is before the message, after it, and a second message.
            (format!("{begin}{later}Hash: SHA256\n\n{signed}{end}"), None),
            (format!("{begin}Hash: SHA256\n{later}\n{signed}{end}"), None),
            (
                format!("{begin}Hash: SHA256\n \n{later}\n{signed}{end}"),
                None,
            ),
            (format!("{later}{begin}Hash: SHA256\n\n{signed}{end}"), None),
            (format!("\n{begin}Hash: SHA256\n\n{signed}{end}"), None),
            (
                format!("{begin}Hash: SHA256\n\nOrigin: a\n{end}{begin}\n{later}{end}"),
                None,
            ),
            (format!("{begin}\nOrigin: a\n{end}{later}"), None),
            // What is no message.
            (format!("{begin}\n{signed}"), None),
            (signed.to_owned(), None),
            (format!("{begin}\nDate: yesterday\n{end}"), None),
        ] {
            acl_host::file::scratch(file.path(), text.as_bytes()).unwrap();
            let found = date(file.path()).map(|date| date.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
