//! The mirrors that the build host itself uses, read from its own apt sources.
//!
//! So nothing of the project names a host: whoever builds inside of a company builds from the company's mirror.
//! Source: sources.list(5).

use std::path::{Path, PathBuf};

use acl_host::file;

use crate::Error;

/// One `deb` entry of an apt source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Base URLs of the archive, without a trailing slash.
    pub urls: Vec<String>,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
}

/// The mirrors of a build host.
#[derive(Debug, Clone)]
pub struct HostMirrors {
    code_name: String,
    entries: Vec<Entry>,
}

impl HostMirrors {
    /// Reads `/etc/os-release` and the apt sources below `root`.
    ///
    /// # Errors
    /// [`Error::Host`] for a file that is there and cannot be read.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let release = file::read_to_string(root.join("etc/os-release"))?;
        let mut entries = Vec::new();
        for path in source_files(&root.join("etc/apt"))? {
            let text = file::read_to_string(&path)?;
            if path
                .extension()
                .is_some_and(|extension| extension == "sources")
            {
                entries.extend(parse_deb822(&text));
            } else {
                entries.extend(text.lines().filter_map(parse_line));
            }
        }
        Ok(Self {
            code_name: code_name(&release),
            entries,
        })
    }

    /// The mirror for `suite`: where the host gets its own release from, or its own release's security updates if
    /// `suite` ends with `-security`.
    ///
    /// `None` if the host has no such source: it is not Debian, or it was set up without.
    pub fn mirror(&self, suite: &str) -> Option<&str> {
        let own = match suite.ends_with("-security") {
            true => format!("{}-security", self.code_name),
            false => self.code_name.clone(),
        };
        let aliases: &[&str] = match suite.ends_with("-security") {
            true => &["stable-security", "oldstable-security", "testing-security"],
            false => &["stable", "oldstable", "testing", "unstable", "sid"],
        };
        let fits = |entry: &&Entry| {
            let suite = |suite: &String| *suite == own || aliases.contains(&suite.as_str());
            entry.components.iter().any(|component| component == "main")
                && entry.suites.iter().any(suite)
        };
        self.entries
            .iter()
            .find(fits)?
            .urls
            .first()
            .map(String::as_str)
    }
}

fn source_files(etc_apt: &Path) -> Result<Vec<PathBuf>, Error> {
    let directory = etc_apt.join("sources.list.d");
    let mut files = Vec::new();
    if file::exists(&directory)? {
        let list = |source| Error::ReadInput {
            path: directory.clone(),
            source,
        };
        for entry in std::fs::read_dir(&directory).map_err(list)? {
            files.push(entry.map_err(list)?.path());
        }
    }
    let apt_reads = |path: &PathBuf| {
        let extension = path.extension();
        extension.is_some_and(|extension| extension == "list" || extension == "sources")
    };
    files.retain(apt_reads);
    files.sort();
    let one = etc_apt.join("sources.list");
    if file::exists(&one)? {
        files.insert(0, one);
    }
    Ok(files)
}

/// `VERSION_CODENAME` of os-release(5); empty if there is none.
fn code_name(os_release: &str) -> String {
    let value = os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    value.unwrap_or_default().trim_matches('"').to_owned()
}

/// One line of the old form: `deb [options] URL suite component…`.
fn parse_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim();
    let mut rest = line
        .strip_prefix("deb")?
        .strip_prefix([' ', '\t'])?
        .trim_start();
    if let Some(options) = rest.strip_prefix('[') {
        rest = options.split_once(']')?.1;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    let url = usable(words.next()?)?;
    Some(Entry {
        urls: vec![url],
        suites: vec![words.next()?],
        components: words.collect(),
    })
}

/// A file of the new form: stanzas of `Key: value`, parted by empty lines.
fn parse_deb822(text: &str) -> Vec<Entry> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines
        .split(|line| line.trim().is_empty())
        .filter_map(parse_stanza)
        .collect()
}

fn parse_stanza(lines: &[&str]) -> Option<Entry> {
    let value = |key: &str| {
        let mut lines = lines.iter().skip_while(|line| !is_field(line, key));
        let first = lines.next()?.split_once(':')?.1;
        let more = lines.take_while(|line| line.starts_with([' ', '\t']));
        let words = first
            .split_whitespace()
            .chain(more.flat_map(|line| line.split_whitespace()));
        Some(words.map(str::to_owned).collect::<Vec<_>>())
    };
    let disabled = value("Enabled").is_some_and(|words| words.iter().any(|word| word == "no"));
    if disabled || !value("Types")?.iter().any(|word| word == "deb") {
        return None;
    }
    let urls: Vec<String> = value("URIs")?.into_iter().filter_map(usable).collect();
    (!urls.is_empty()).then_some(Entry {
        urls,
        suites: value("Suites")?,
        components: value("Components")?,
    })
}

fn is_field(line: &str, key: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(name, _)| name.eq_ignore_ascii_case(key))
}

/// A URL that packages can be fetched from; an installation medium is none.
fn usable(url: String) -> Option<String> {
    (!url.starts_with("cdrom:")).then(|| url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Entry, HostMirrors, parse_deb822, parse_line};

    fn entry(url: &str, suites: &[&str], components: &[&str]) -> Entry {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Entry {
            urls: vec![url.to_owned()],
            suites: own(suites),
            components: own(components),
        }
    }

    #[test]
    fn lines_of_the_old_form() {
        let cases = [
            (
                "deb http://m.example/debian/ trixie main contrib",
                Some(entry(
                    "http://m.example/debian",
                    &["trixie"],
                    &["main", "contrib"],
                )),
            ),
            (
                "deb [arch=amd64 signed-by=/k] http://m.example/d trixie main # ours",
                Some(entry("http://m.example/d", &["trixie"], &["main"])),
            ),
            ("deb-src http://m.example/debian trixie main", None),
            ("# deb http://m.example/debian trixie main", None),
            ("deb cdrom:[Debian]/ trixie main", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_line(line), expected, "{line}");
        }
    }

    #[test]
    fn stanzas_of_the_new_form() {
        let text = "Types: deb deb-src\n# a comment\nURIs: http://m.example/debian\nSuites: trixie\n trixie-updates\n\
                    Components: main\nSigned-By: /k\n\nTypes: deb\nEnabled: no\nURIs: http://x.example\nSuites: trixie\n\
                    Components: main\n\nTypes: deb-src\nURIs: http://y.example\nSuites: trixie\nComponents: main\n";
        assert_eq!(
            parse_deb822(text),
            [entry(
                "http://m.example/debian",
                &["trixie", "trixie-updates"],
                &["main"]
            )]
        );
    }

    #[test]
    fn the_host_s_own_release_decides() {
        let mirrors = HostMirrors {
            code_name: "bookworm".to_owned(),
            entries: vec![
                entry("http://third.example", &["third-bookworm"], &["main"]),
                entry("http://docker.example", &["bookworm"], &["stable"]),
                entry(
                    "http://m.example/debian",
                    &["bookworm", "bookworm-updates"],
                    &["main"],
                ),
                entry(
                    "http://m.example/security",
                    &["bookworm-security"],
                    &["main"],
                ),
            ],
        };
        assert_eq!(mirrors.mirror("trixie"), Some("http://m.example/debian"));
        assert_eq!(
            mirrors.mirror("trixie-security"),
            Some("http://m.example/security")
        );
        let other = HostMirrors {
            code_name: "noble".to_owned(),
            entries: mirrors.entries,
        };
        assert_eq!(other.mirror("trixie"), None);
    }
}
