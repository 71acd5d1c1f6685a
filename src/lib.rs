//! Scoped configuration and secrets on a machine of your own: one binary, no database server.
//!
//! Definitions (name, scope, format, encrypted or not) and scoped values (one for each organization,
//! environment, subject and definition) live in an embedded store; a server speaks HTTP, a command line
//! serves the operator. This is the map, in the order in which to read it; each floor knows only the floors
//! above it in this list.
//!
//! 1. [`model`]: the nouns, as types that can only hold what is valid.
//! 2. [`crypto`]: bytes only. Passphrase to keyring, keyring to data keys, data keys to sealed values.
//! 3. [`store`]: bytes under ordered keys, changed by atomic batches; the embedded engine, whose journal is
//!    synced before a write is acknowledged.
//! 4. [`vault`]: the rules. Who may do what, and what it does.
//! 5. [`http`]: the API. [`control`]: the operator's socket. Both translate, call the vault, translate.
//!    [`client`]: the API from the other side.
//! 6. [`cli`]: commands. [`config`] and [`telemetry`]: what they start from. [`dotenv`]: variables as text, for
//!    the API and the commands. [`secret_file`]: how a passphrase, a key or a token is read from a file.

pub mod cli;
pub mod client;
pub mod config;
pub mod control;
pub mod crypto;
pub mod dotenv;
pub mod http;
pub mod model;
pub mod secret_file;
pub mod store;
pub mod telemetry;
pub mod vault;
