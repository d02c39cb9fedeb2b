//! Tests of the crate from outside: a repository made by its own publisher in a temporary directory, served on
//! loopback, read by its own client.

mod freshness;
mod payload;
mod program;
mod publish;
mod server;
mod site;
mod tamper;
