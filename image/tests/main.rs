//! Tests of the image builder: whole steps, on files in temporary directories, against the programs that the rest of
//! the world reads the results with.

#[cfg(test)]
mod archive;
#[cfg(test)]
mod build;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod esp;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod host_keys;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod program;
#[cfg(test)]
mod recipe;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod sign;
#[cfg(test)]
mod time;
#[cfg(test)]
mod uki;
#[cfg(test)]
mod units;
