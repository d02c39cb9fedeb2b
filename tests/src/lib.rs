//! The harness of the tests of the whole system, and of the demo: real programs, real disk images, real machines.
//!
//! [`machine`] boots an image under firmware that enforces Secure Boot and talks to it over its serial ports;
//! [`gate`] stands between it and its update server. What is slow to make (the tools tree, keys, releases) is made once
//! and kept below `target/tests/`.

pub mod accelerator;
pub mod aks;
pub mod azure;
pub mod cri;
pub mod disk;
pub mod firmware;
pub mod gate;
pub mod handover;
pub mod journey;
pub mod machine;
pub mod node;
pub mod pages;
pub mod qmp;
pub mod releases;
pub mod repository;
pub mod shell;
pub mod site;
pub mod ssh;
pub mod stamp;
pub mod tang;
pub mod tpm;
pub mod transcript;
pub mod wire;
pub mod workspace;
