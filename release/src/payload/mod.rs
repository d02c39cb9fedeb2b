//! How a file is transported: cut into chunks by content, each compressed, behind one another in a pack, with an
//! index that tells what lies where.

pub mod cut;
pub mod index;
pub mod pack;
pub mod unpack;
