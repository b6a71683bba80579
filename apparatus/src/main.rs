//! apparatus
fn main() {}
