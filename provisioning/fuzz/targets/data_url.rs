//! Any text as the source of a file: what the check lets through can be had, and what it refuses cannot.

#![no_main]

use acl_provision::config;
use acl_provision::config::spec::Resource;
use acl_provision::fetch::{Fetcher, Patience};
use libfuzzer_sys::fuzz_target;

/// More than any document of the fuzzer unpacks to, and little enough to hold.
const LIMIT: u64 = 64 << 20;

fuzz_target!(|text: &str| {
    let (gzip, rest) = match text.strip_prefix('z') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let source = format!("data:{rest}");
    let compression = gzip.then(|| "gzip".to_owned());
    let config = serde_json::json!({
        "ignition": {"version": "3.6.0"},
        "storage": {"files": [{"path": "/f", "contents": {"source": source, "compression": compression}}]},
    });
    let valid = config::parse(config.to_string().as_bytes())
        .report
        .is_valid();
    let resource = Resource {
        source: Some(source),
        compression,
        ..Resource::default()
    };
    assert_eq!(valid, can_be_had(&resource), "{resource:?}");
});

fn can_be_had(resource: &Resource) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let fetcher = Fetcher::new(Patience::default()).expect("a fetcher");
    runtime.block_on(fetcher.fetch(resource, LIMIT)).is_ok()
}
