//! How a file is transported: cut into chunks by content, each compressed, behind one another in a pack, with an
//! index that tells what lies where. For nodes that run one of the releases before, a patch: what is missing of the new
//! file, compressed against the matching places of the old one.
//!
//! Publishing: [`inner`] unpacks what is compressed inside the file, [`cut`] and [`pack`] make the chunks or take them from
//! [`earlier`] packs, [`compare`] makes the patch. Fetching: [`plan`] says what is to be had from where, [`assemble`] makes
//! the file of it and checks every chunk.

pub mod assemble;
pub mod compare;
pub mod cut;
pub mod earlier;
pub mod frame;
pub mod index;
pub mod inner;
#[cfg(test)]
mod noise;
pub mod outside;
pub mod pack;
pub mod patch;
mod places;
pub mod plan;
mod threads;
pub mod way;
