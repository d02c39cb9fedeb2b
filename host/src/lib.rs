//! The only door to the system.
//!
//! Owns everything that touches the machine: disks and partition tables, dm-verity trees, boot entries on the ESP,
//! durable files, external programs, systemd, firmware variables and the clock. Decides nothing: what to do is
//! decided by the crates above, which call this one to get it done.

pub mod clock;
pub mod cmdline;
pub mod disk;
pub mod efi;
pub mod entry;
pub mod environment;
pub mod error;
pub mod esp;
pub mod file;
pub mod gpt;
pub mod guid;
pub mod output;
pub mod private;
pub mod signature;
pub mod slot;
pub mod systemd;
pub mod tool;
pub mod verity;
mod who;

pub use error::{Error, Result};
pub use tool::{Tool, Tools};
pub use who::Who;
