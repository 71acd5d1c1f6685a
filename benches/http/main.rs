//! Measures the whole server over loopback HTTP.

fn main() {}
