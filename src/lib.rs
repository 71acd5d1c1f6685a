//! Scoped configuration and secrets: one binary over an embedded store.

pub mod crypto;
pub mod telemetry;
