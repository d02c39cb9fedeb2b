//! Debian archives: where packages come from, and how they get onto the disk.
//!
//! Resolving and the signatures of the archive are left to the host's `apt-get`, which runs with a configuration of its
//! own ([`apt`]) and so neither reads nor changes what the host has installed. Packages are kept by SHA-256
//! ([`store`]) and unpacked by own code ([`deb`], [`tree`]) without root: no maintainer script ever runs.

pub mod apt;
pub mod deb;
pub mod mirror;
pub mod package;
pub mod release;
pub mod store;
pub mod tree;
mod uris;
