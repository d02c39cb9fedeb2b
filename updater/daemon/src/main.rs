//! The update agent.
fn main() {}
