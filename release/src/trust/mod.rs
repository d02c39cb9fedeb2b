//! Who may say what about releases: the keys and the TUF roles they sign for.

pub mod keys;
pub mod roles;
