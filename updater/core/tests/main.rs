//! Tests of the deciding as a whole.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bootable;
mod decided;
mod decisions;
mod model;
mod states;
