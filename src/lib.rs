//! Scoped configuration and secrets: one binary over an embedded store.

pub mod config;
pub mod crypto;
pub mod telemetry;
