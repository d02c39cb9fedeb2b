//! What a person types on a node.
fn main() {}
