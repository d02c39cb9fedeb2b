//! Tests of the crate, in one program.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "what the tests share is test code too; the files that they lay out need not be kept"
)]

// Configs
mod full;
mod invalid;
mod merge;
mod resolve;
mod ssh_keys;
mod valid;
mod validate;
// Fetching
mod fetch;
// Platforms
mod azure;
mod platform;
// Disks
mod disks;
// Files
mod files;
mod root;
mod scene;
// The whole
mod durable;
mod run;
mod stage;
#[path = "../../release/tests/time.rs"]
mod time;
