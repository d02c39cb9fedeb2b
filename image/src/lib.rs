//! The image builder.

pub mod archive;
pub mod authenticode;
pub mod build;
pub mod description;
pub mod digest;
mod error;
pub mod keys;
pub mod lock;
mod memory;
pub mod oci;
pub mod pe;
pub mod pkcs7;
pub mod progress;
pub mod recipe;
pub mod resolve;
mod sparse;
pub mod step;
mod tar_entry;
pub mod tools_tree;
pub mod workspace;

pub use error::Error;
