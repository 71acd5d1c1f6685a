//! The API over HTTP: requests become calls of the vault, and what it says becomes responses.
//!
//! [`routes`](self) has the whole API on one screen; `auth` says who is asking, `error` has the one table of
//! errors, `envelope` is what every response wears. This is the only place that says actix.

mod admin_keys;
mod audit;
mod auth;
mod body;
mod browser;
mod client_address;
mod console;
mod context;
mod cors;
mod definitions;
mod docs;
mod docs_page;
mod envelope;
mod error;
mod history;
mod limits;
mod linked_accounts;
mod metrics;
mod origin;
mod pulse;
mod query;
mod quiet;
mod routes;
mod server;
mod service;
mod session_tokens;
mod shape;
mod tls;
mod traffic;
mod upkeep;
mod values;
mod watch;

pub use console::Lifetimes;
pub use limits::RequestRate;
pub use metrics::Metrics;
pub use routes::routes;
pub use server::{Server, Settings, block_on, serve};
pub use tls::{Tls, TlsError};
