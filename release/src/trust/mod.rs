//! Who may say what about releases: the keys, the TUF roles they sign for, and the checks of a reader.

pub mod keys;
pub mod metadata;
pub mod roles;
pub(crate) mod root_chain;
pub(crate) mod snapshot;
pub(crate) mod targets;
pub(crate) mod timestamp;
