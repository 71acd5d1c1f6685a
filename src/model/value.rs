//! Values: what a definition holds for one subject in one environment.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Actor, Id, Timestamp};

/// A value without its address, which is its key in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// Its id; a later set of the same address keeps it.
    pub id: Id,
    /// What it holds.
    pub content: Content,
    /// 1 for the first set, one more for each later one.
    pub version: u64,
    /// The oldest version that is kept: those from it on, up to the one before this, stand in the history.
    pub oldest: u64,
    /// Who set it first.
    pub created_by: Actor,
    /// Who set it last.
    pub updated_by: Actor,
    /// When it was set first.
    pub created_at: Timestamp,
    /// When it was set last.
    pub updated_at: Timestamp,
}

/// What a value holds, as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// The text, of a definition that is not encrypted.
    Plain(String),
    /// The sealed text, of a definition that is.
    Sealed(Vec<u8>),
}

impl fmt::Debug for Content {
    /// Says which kind of content it is: configuration that is not encrypted is still nobody's log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Content::Plain(_) => "Plain",
            Content::Sealed(_) => "Sealed",
        })
    }
}
