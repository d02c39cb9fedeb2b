//! What is wrong with a config, and where.

use serde::Serialize;

use super::Path;
use super::document::{Document, Place, Wanted};

/// Whether the config can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// No machine is made from this config.
    Error,
    /// The config is used, and something in it does not do what its author may think.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Whether the config can be used.
    pub kind: Kind,
    /// Where in the document.
    pub path: Path,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Everything that is wrong with a config, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Report {
    /// In the order of the document.
    pub entries: Vec<Entry>,
}

impl Report {
    /// Whether the config can be used: there may be warnings.
    pub fn is_valid(&self) -> bool {
        self.entries.iter().all(|entry| entry.kind == Kind::Warning)
    }

    /// A report of one error.
    pub(super) fn error(path: Path, place: Place, message: impl Into<String>) -> Self {
        Self {
            entries: vec![Entry {
                kind: Kind::Error,
                path,
                line: place.line,
                column: place.column,
                message: message.into(),
            }],
        }
    }
}

/// What the checks found, before anyone has looked where in the text it stands.
#[derive(Debug, Default)]
pub struct Findings {
    found: Vec<Finding>,
}

#[derive(Debug)]
struct Finding {
    kind: Kind,
    path: Path,
    at_key: bool,
    message: String,
}

impl Findings {
    /// The config cannot be used.
    pub(super) fn error(&mut self, path: Path, message: impl Into<String>) {
        self.push(Kind::Error, path, false, message.into());
    }

    /// The config can be used, but not as its author may think.
    pub(super) fn warning(&mut self, path: Path, message: impl Into<String>) {
        self.push(Kind::Warning, path, false, message.into());
    }

    /// An error of the key itself, not of its value.
    pub(super) fn key_error(&mut self, path: Path, message: impl Into<String>) {
        self.push(Kind::Error, path, true, message.into());
    }

    /// A warning of the key itself, not of its value.
    pub(super) fn key_warning(&mut self, path: Path, message: impl Into<String>) {
        self.push(Kind::Warning, path, true, message.into());
    }

    fn push(&mut self, kind: Kind, path: Path, at_key: bool, message: String) {
        self.found.push(Finding {
            kind,
            path,
            at_key,
            message,
        });
    }

    /// Whether nothing keeps the config from being used.
    pub(super) fn is_valid(&self) -> bool {
        self.found
            .iter()
            .all(|finding| finding.kind == Kind::Warning)
    }

    /// The paths of the errors, with their messages: for a config that has no text of its own, such as a merged one.
    pub fn errors(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.found
            .iter()
            .filter(|finding| finding.kind == Kind::Error)
            .map(|finding| (&finding.path, finding.message.as_str()))
    }

    /// Looks up where each finding stands.
    pub(super) fn report(self, document: &Document<'_>) -> Report {
        let wanted: Vec<_> = self
            .found
            .iter()
            .map(|finding| Wanted {
                path: &finding.path,
                key: finding.at_key,
            })
            .collect();
        let places = document.places(&wanted);
        let mut entries: Vec<_> = self
            .found
            .into_iter()
            .zip(places)
            .map(|(finding, place)| Entry {
                kind: finding.kind,
                path: finding.path,
                line: place.line,
                column: place.column,
                message: finding.message,
            })
            .collect();
        entries.sort_by(|a, b| {
            (a.line, a.column, a.kind, &a.message).cmp(&(b.line, b.column, b.kind, &b.message))
        });
        entries.dedup();
        Report { entries }
    }
}

impl std::fmt::Display for Entry {
    /// As compilers say it, after the name of the file: `line:column: kind: message (path)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Error => "error",
            Kind::Warning => "warning",
        };
        let Self {
            line,
            column,
            message,
            path,
            ..
        } = self;
        write!(f, "{line}:{column}: {kind}: {message} ({path})")
    }
}
