//! A repository of releases: reading one over HTTP, publishing one on disk, serving one.

pub mod add;
mod documents;
pub mod download;
pub mod fetch;
pub mod http;
mod init;
mod kept;
mod promote;
pub mod publish;
pub mod read;
pub mod refresh;
pub mod serve;
pub mod sources;
pub mod store;
mod update;
