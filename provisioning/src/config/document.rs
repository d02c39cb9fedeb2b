//! A JSON document whose values know where in the text they stand.
//!
//! Owns the text, keys that stand twice, and places; the value goes to who asks, and may go before this does. What is
//! looked up is walked to in the syntax tree, which is read once a report is made of findings, so that a document without
//! any costs one reading; lines and columns of all that is looked up are counted in one pass over the text.

mod places;
mod reader;

use serde_json::Value;

use super::Path;
use super::report::{Findings, Report};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Where every text begins.
pub(super) const START: Place = Place { line: 1, column: 1 };

/// What is looked up in a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub path: &'a Path,
    /// The key of the value instead of the value.
    pub key: bool,
}

/// A document.
#[derive(Debug)]
pub(super) struct Document<'t> {
    text: &'t str,
    twice: Vec<Path>,
}

impl<'t> Document<'t> {
    /// Reads JSON (RFC 8259), and gives its value. What is not JSON comes back as a report of one error.
    pub(super) fn read(bytes: &'t [u8]) -> Result<(Self, Value), Report> {
        let text = text(bytes)?;
        let (value, twice) = reader::read(text).map_err(|error| syntax(text, &error))?;
        Ok((Self { text, twice }, value))
    }

    /// Where all of that stands, or what comes nearest to holding it; in the order in which it is asked for.
    pub(super) fn places(&self, wanted: &[Wanted<'_>]) -> Vec<Place> {
        places::places(self.text, wanted)
    }

    /// Adds an error for each key that stands twice in its object: readers of JSON do not agree on which one counts.
    pub(super) fn check_keys(&self, findings: &mut Findings) {
        for path in &self.twice {
            findings.key_error(path.clone(), "this key is in its object twice; keep one");
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Report> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let place = places::end(&String::from_utf8_lossy(before));
        let message = match bytes {
            [0x1f, 0x8b, ..] => "the config is compressed with gzip; give it uncompressed",
            _ => "the config is not UTF-8 text from here on",
        };
        Report::error(Path::root(), place, message)
    })?;
    match foreign(text) {
        Some(message) => Err(Report::error(Path::root(), START, message)),
        None => Ok(text),
    }
}

/// What people hand in by mistake.
fn foreign(text: &str) -> Option<&'static str> {
    let text = text.trim_start();
    if text.is_empty() {
        Some(
            "the config is empty; the least that is one is {\"ignition\": {\"version\": \"3.4.0\"}}",
        )
    } else if text.starts_with("#cloud-config") {
        Some(
            "this is a cloud-config, not an Ignition config; write it as a Butane config and translate that",
        )
    } else if text.starts_with("#!") {
        Some("this is a script, not an Ignition config; let a unit of a config run it")
    } else if text.starts_with("variant:") {
        Some("this is a Butane config, not an Ignition config; translate it with `butane`")
    } else {
        None
    }
}

fn syntax(text: &str, error: &serde_json::Error) -> Report {
    let line = text.split('\n').nth(error.line().saturating_sub(1));
    let before = line.unwrap_or_default().as_bytes();
    let before = &before[..error.column().saturating_sub(1).min(before.len())];
    let place = Place {
        line: error.line().max(1),
        column: String::from_utf8_lossy(before).chars().count() + 1,
    };
    let message = error.to_string();
    // Its end says the place again.
    let message = message.split(" at line ").next().unwrap_or_default();
    Report::error(Path::root(), place, format!("not JSON: {message}"))
}

#[cfg(test)]
mod tests {
    use super::{Document, Place, Wanted};
    use crate::config::Path;

    #[test]
    fn values_and_keys_have_places() {
        let text = "{\n  \"ä\": \"€\", \"b\": [1,\n    {\"c\": null}]\n}";
        let (document, _) = Document::read(text.as_bytes()).unwrap();
        let at = |line, column| Place { line, column };
        let b = Path::root().field("b");
        let cases = [
            (b.item(1).field("c"), false, at(3, 11)),
            (Path::root(), false, at(1, 1)),
            (Path::root().field("ä"), false, at(2, 8)),
            (b.clone(), false, at(2, 18)),
            (b.clone(), true, at(2, 13)),
            (b.item(0), false, at(2, 19)),
            // What is not there stands where its holder stands.
            (b.item(1).field("d"), true, at(3, 5)),
            (b.item(7).field("d"), false, at(2, 18)),
            (b.field("c"), false, at(2, 18)),
            (Path::root().field("ä").field("e"), false, at(2, 8)),
        ];
        let wanted: Vec<_> = cases
            .iter()
            .map(|(path, key, _)| Wanted { path, key: *key })
            .collect();
        let expected: Vec<_> = cases.iter().map(|(_, _, place)| *place).collect();
        assert_eq!(document.places(&wanted), expected);
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        let cases: &[(&[u8], usize, usize, &str)] = &[
            (
                b"",
                1,
                1,
                "the config is empty; the least that is one is {\"ignition\": {\"version\": \"3.4.0\"}}",
            ),
            (b"{\n \"\xc3\xa4\" 1}", 2, 6, "not JSON: expected `:`"),
            (b"{} x", 1, 4, "not JSON: trailing characters"),
            (b"{\"a\": 1,}", 1, 9, "not JSON: trailing comma"),
            (
                b"{\"a\":\n\xff}",
                2,
                1,
                "the config is not UTF-8 text from here on",
            ),
            (
                b"\x1f\x8b\x08",
                1,
                2,
                "the config is compressed with gzip; give it uncompressed",
            ),
            (
                b"#cloud-config\nusers: []",
                1,
                1,
                "this is a cloud-config, not an Ignition config; write it as a Butane config and translate that",
            ),
            (
                b"#!/bin/sh",
                1,
                1,
                "this is a script, not an Ignition config; let a unit of a config run it",
            ),
            (
                b"variant: fcos",
                1,
                1,
                "this is a Butane config, not an Ignition config; translate it with `butane`",
            ),
        ];
        for (bytes, line, column, message) in cases {
            let report = Document::read(bytes).unwrap_err();
            let entry = &report.entries[0];
            assert_eq!(
                (entry.line, entry.column, entry.message.as_str()),
                (*line, *column, *message),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        let report = Document::read(deep.as_bytes()).unwrap_err();
        assert_eq!(
            report.entries[0].message,
            "not JSON: recursion limit exceeded"
        );
    }
}
