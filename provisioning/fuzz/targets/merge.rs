//! Two documents, a NUL between them, as one config.

#![no_main]

use acl_provision::config::{self, merge::merge, spec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let read = |part: Option<&[u8]>| part.and_then(|part| config::parse(part).config);
    let Some(first) = read(parts.next()) else {
        return;
    };
    let nothing = spec::Config::new(first.ignition.clone());
    merge(nothing, first.clone()).expect("a config over little more than nothing");
    let Some(second) = read(parts.next()) else {
        return;
    };
    merge(first, second).expect("what both sides were read from reads as one again");
});
