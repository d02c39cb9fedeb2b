//! Tests of the image builder: whole steps, on files in temporary directories, against the programs that the rest of
//! the world reads the results with.

mod disk;
mod esp;
mod formats;
mod keys;
mod program;
mod sign;
mod uki;
