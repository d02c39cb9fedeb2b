//! Tests of the deciding as a whole.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod before_a_reboot;
mod bootable;
mod decided;
mod decisions;
mod model;
mod states;
mod unfit;
