//! Any bytes as a config, in the version that they name and in another one.

#![no_main]

use acl_provision::config::{self, Parsed, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parsed = config::parse(bytes);
    check(bytes, &parsed);
    let (Some(version), Ok(text)) = (parsed.version, std::str::from_utf8(bytes)) else {
        return;
    };
    // One other version for a text: all of them would take seven times as long.
    let other = Version::all()
        .nth(bytes.len() % 7)
        .unwrap_or(Version::NEWEST);
    let text = text.replace(&version.to_string(), &other.to_string());
    check(text.as_bytes(), &config::parse(text.as_bytes()));
});

/// What is true of every document.
fn check(bytes: &[u8], parsed: &Parsed) {
    assert_eq!(parsed.config.is_some(), parsed.report.is_valid());
    for entry in &parsed.report.entries {
        stands_in(bytes, entry.line, entry.column);
        assert!(!entry.message.is_empty());
        // As it is shown.
        assert!(entry.to_string().ends_with(&format!("({})", entry.path)));
    }
    if let Some(config) = &parsed.config {
        reads_as_itself(config);
    }
}

/// A place is one of the document, or the end of a line.
fn stands_in(bytes: &[u8], line: usize, column: usize) {
    let text = String::from_utf8_lossy(bytes);
    let found = text.split('\n').nth(line - 1);
    let found = found.unwrap_or_else(|| panic!("there is no line {line}"));
    let longest = found.chars().count() + 1;
    assert!(
        (1..=longest).contains(&column),
        "line {line} has no column {column}"
    );
}

/// What a config was translated to is a valid config that says the same.
fn reads_as_itself(config: &config::spec::Config) {
    let text = serde_json::to_vec(config).expect("a config is written");
    let again = config::parse(&text);
    assert!(again.report.is_valid(), "{:?}", again.report);
    assert_eq!(again.config.as_ref(), Some(config));
}
