//! The `sessile` command line.

fn main() {}
