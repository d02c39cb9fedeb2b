//! A repository of releases: reading one over HTTP, publishing one on disk, serving one.

mod documents;
mod download;
pub mod fetch;
pub mod http;
mod kept;
pub mod publish;
pub mod read;
pub mod serve;
mod transport;
