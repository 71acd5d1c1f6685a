//! What the tests stand on: the real binary over a store of its own, a small HTTP client that can also send
//! what no well-behaved client would, and the checks that every answer must pass.

mod command;
mod config;
mod http;
pub(crate) mod interpose;
pub(crate) mod openapi;
mod response;
mod server;
mod shape;
mod store;
mod tls;
mod useless_files;

pub(crate) use command::{Finished, command, finish, hearing_command};
pub(crate) use config::{Config, PASSPHRASE};
pub(crate) use http::{Client, Connection, Request, percent};
pub(crate) use response::Response;
pub(crate) use server::Server;
pub(crate) use shape::{check_fields, check_id, check_page, check_time};
pub(crate) use store::Store;
pub(crate) use tls::{Identity, trusting};
pub(crate) use useless_files::useless_files;

use std::time::{Duration, Instant};

/// An id of the right form that no store has ever given out.
pub(crate) const UNKNOWN_ID: &str = "0123456789abcdef01234567";

/// Asks again until `probe` gives something, at most `limit`.
pub(crate) fn eventually<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
