//! Tests of the door to the system, on disks in files, without root.

#![expect(
    clippy::disallowed_methods,
    reason = "tests lay out the files that they need, and need not keep them"
)]

#[cfg(test)]
mod disks;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod esp;
#[cfg(test)]
mod files;
#[cfg(test)]
mod firmware;
#[cfg(test)]
mod recorder;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod systemd;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod verity;
