//! First boot: from an Ignition config to the machine it describes, or to a report that says why not.
//!
//! Owns what a config means ([`config`]), where its bytes come from ([`fetch`], [`platform`]) and what is done with it
//! ([`stage`]), inside one root that nothing leaves ([`root`]). Leaves disks, durable files and programs to `acl-host`.

pub mod config;
mod error;
pub mod fetch;
pub mod platform;
pub mod root;
pub mod run;
pub mod stage;
pub mod status;

pub use error::{Error, Result};
