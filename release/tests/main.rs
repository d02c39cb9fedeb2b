//! Tests of the crate from outside: a repository made by its own publisher in a temporary directory, served on
//! loopback, read by its own client.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what the tests share is test code too"
)]

mod builds;
mod channels;
mod forge;
mod freshness;
mod mirrors;
mod network;
mod payload;
mod program;
mod proxy;
mod publish;
mod remembered;
mod requests;
mod reuse;
mod revocations;
mod roles;
mod rules;
mod server;
mod site;
mod tamper;
mod time;
mod tls;
mod uki;
mod web;
