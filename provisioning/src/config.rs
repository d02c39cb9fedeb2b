//! What an Ignition config says: read, checked, translated to one version and merged; all of it pure.

pub(crate) mod authorized_key;
pub mod check;
pub(crate) mod clevis;
mod document;
pub mod kernel_arguments;
mod key;
pub mod merge;
pub mod parse;
pub mod path;
pub mod report;
pub mod resolve;
mod translate;
mod version;

/// The one version that everything is translated to: Ignition 3.6.0.
pub use ignition_config::v3_6 as spec;
pub use parse::{Parsed, parse};
pub use path::Path;
pub use report::{Entry, Kind, Report};
pub use version::Version;
