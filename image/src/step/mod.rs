//! The steps of a build, one a file, each from plain inputs to plain outputs.

pub mod compose;
pub mod container;
pub mod disk;
pub mod esp;
pub mod formats;
pub mod initrd;
pub mod lay;
pub mod prune;
pub mod scripts;
pub mod settle;
pub mod sign;
pub mod uki;
pub mod usr;
