//! The only door to the system.
