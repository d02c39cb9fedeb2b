//! What is wrong with a config is told at its place, and all of it at once.
//!
//! The cases are in `data/invalid`, one file a section: a config, or sections of one in the newest version, then what
//! is reported, then an empty line.

use acl_provision::config::{self, Kind};
use serde_json::Value;

macro_rules! tests {
    ($($section:ident)*) => {$(
        #[test]
        fn $section() {
            check(include_str!(concat!("data/invalid/", stringify!($section), ".txt")));
        }
    )*};
}

tests!(disks filesystems ignition nodes partitions passwd resources types units versions volumes);

fn check(cases: &str) {
    for case in cases.trim_end().split("\n\n") {
        let lines = case.lines();
        let (said, given): (Vec<_>, Vec<_>) =
            lines.partition(|line| line.starts_with("error ") || line.starts_with("warning "));
        assert_eq!(report(&config(&given.join("\n"))), said, "{case}");
    }
}

/// The document of a case.
fn config(given: &str) -> String {
    match given.starts_with(['{', '[']) {
        true => given.to_owned(),
        false => format!("{{\"ignition\": {{\"version\": \"3.6.0\"}},\n {given}}}"),
    }
}

/// The report in short: `kind path: message`.
fn report(text: &str) -> Vec<String> {
    let parsed = config::parse(text.as_bytes());
    assert_eq!(parsed.config.is_some(), parsed.report.is_valid(), "{text}");
    for entry in &parsed.report.entries {
        stands_there(text, entry);
    }
    let entries = parsed.report.entries.iter().map(|entry| {
        let kind = match entry.kind {
            Kind::Error => "error",
            Kind::Warning => "warning",
        };
        format!("{kind} {}: {}", entry.path, entry.message)
    });
    entries.collect()
}

/// What stands at the entry's line and column is the value at its path, or that value's key.
fn stands_there(text: &str, entry: &config::Entry) {
    let document: Value = serde_json::from_str(text).unwrap();
    let mut at = Some(&document);
    let mut key = String::new();
    for step in entry.path.steps() {
        key = format!("\"{step}\"");
        at = at.and_then(|value| match value {
            Value::Array(list) => list.get(step.parse::<usize>().unwrap()),
            value => value.get(step),
        });
    }
    // What is missing stands where its holder stands.
    let Some(value) = at else { return };
    let line = text.lines().nth(entry.line - 1).unwrap();
    let rest: String = line.chars().skip(entry.column - 1).collect();
    let first = value.to_string().chars().next().unwrap();
    assert!(
        rest.starts_with(first) || rest.starts_with(&key),
        "{} is said to stand at {rest:?} of {text}",
        entry.path
    );
}
