//! Azure: its two services, its medium, and what is made of them.

mod any;
mod custom_data;
mod fake;
mod imds;
mod instance;
mod lease;
mod order;
mod ovf;
mod profile;
mod wire;
