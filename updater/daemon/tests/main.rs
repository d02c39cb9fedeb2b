//! Tests of the agent: the real program, real repositories on loopback, disks in files.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod armed;
mod artifact;
mod endless;
mod fit;
mod forged;
mod killed;
mod network;
mod node;
mod over_the_bus;
mod pace;
mod powercuts;
mod refusals;
mod site;
mod small;
mod updates;
