//! The stages that make block devices and mount them.

mod ambivalent;
mod crypttab;
mod filesystems;
mod luks;
mod mounts;
mod order;
mod plan;
mod plan_property;
pub(crate) mod programs;
mod raid;
mod sgdisk;
mod tables;
