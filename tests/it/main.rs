//! Black-box tests: the real binary, a real store, HTTP and the command line. The tree mirrors the URL tree.

// A test that fails says so by panicking.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;
