//! Promises of the whole system, one module each, kept in real virtual machines.

mod firmware_refuses_to_boot_nothing;
