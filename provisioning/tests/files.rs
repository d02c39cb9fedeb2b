//! The files stage: a config and a tree give exactly one tree.

mod directories;
mod enabled;
mod entries;
mod groups;
mod keys;
mod links;
mod mounted_homes;
mod plain;
mod presets;
mod together;
mod told;
mod units;
mod users;
