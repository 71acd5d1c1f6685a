//! Who did something.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Id;

/// The one behind a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// Whoever runs commands on the host.
    Operator,
    /// The holder of this API key.
    ApiKey(Id),
    /// The holder of a session token of this linked account.
    LinkedAccount(Id),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Operator => f.write_str("operator"),
            Actor::ApiKey(id) | Actor::LinkedAccount(id) => fmt::Display::fmt(id, f),
        }
    }
}
