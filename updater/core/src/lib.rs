//! Decisions of the update agent, without I/O.
