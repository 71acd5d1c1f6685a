//! The API from the other side: what commands ask of a server that may be on another machine.
//!
//! [`api`](mod@api) sends a request, [`credential`] says who asks, [`trust`] whom to believe under TLS,
//! [`context`](mod@context) has what is asked for, [`cache`] what is left of it for when the server is away, and
//! [`environment`] what a program is given of it; [`watch`](mod@watch) tells when some of it has changed. [`health`]
//! asks whether there is a server at all.

pub mod api;
pub mod cache;
pub mod context;
pub mod credential;
pub mod environment;
pub mod error;
pub mod health;
pub mod trust;
pub mod watch;

pub use api::{Api, Body};
pub use cache::{Cache, CacheError};
pub use context::{Context, Found, Variable};
pub use credential::{Credential, exposed_file};
pub use environment::{Environment, Inheritance};
pub use error::ClientError;
pub use watch::{Change, Watch};
