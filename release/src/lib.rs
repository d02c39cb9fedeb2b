//! What a release is, and how a repository of releases is read and published.
//!
//! The documents of a repository ([`version`], [`channel`], [`manifest`], [`payload::index`]) and the decision
//! what a node is offered ([`choose`]) are pure. [`repository::read`] is a node's side: distrust of everything a
//! server says until a signature or a digest vouches for it. [`repository::publish`] is the operator's side.
//!
//! A repository is a tree of static files:
//!
//! ```text
//! metadata/                         TUF 1.0: root, targets, snapshot, timestamp, one role for each channel
//! targets/channels/<digest>.<name>.json          what a node may be offered, signed by the channel's role
//! targets/releases/<version>/<digest>.<arch>.json  what a release consists of, signed by the targets role
//! blobs/<sha256>                    payload indices and packs, vouched for by the manifest
//! ```

pub mod channel;
pub mod choose;
pub mod digest;
pub mod error;
pub mod manifest;
pub mod payload;
pub mod repository;
pub mod server_text;
pub mod trust;
pub mod version;

pub use error::{Error, Result};
