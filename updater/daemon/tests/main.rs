//! Tests of the agent: the real program, real repositories on loopback, disks in files.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod applied;
mod armed;
mod artifact;
mod authority;
mod endless;
mod fit;
mod forged;
mod held;
mod hold;
mod killed;
mod network;
mod node;
mod over_the_bus;
mod pace;
mod powercuts;
mod private_bus;
mod refusals;
mod site;
mod small;
mod synchronised;
#[path = "../../../release/tests/uki.rs"]
mod uki;
mod unfit;
mod unsent;
mod updates;
