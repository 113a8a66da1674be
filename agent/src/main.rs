//! The pidflow agent.
fn main() {}
