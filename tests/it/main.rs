//! Black-box tests: the real binary over a real store, by HTTP and by the command line. Nothing here knows how
//! coffer is made; every check is a sentence of its contract. The tree mirrors the URL tree.

// A test that fails says so by panicking, and one that is skipped says so on standard error.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod access;
mod accounts;
mod admin;
mod architecture;
mod audit;
mod browsers;
mod care;
mod cli;
mod client;
mod clients;
mod concurrency;
mod console;
mod credentials;
mod documents;
mod durability;
mod env;
mod errors;
mod forgery;
mod hardening;
mod isolation;
mod limits;
mod metrics;
mod migration;
mod package;
mod paging;
mod rates;
mod secrets;
mod service;
mod sessions;
mod support;
mod systemd;
mod timing;
mod tls;
