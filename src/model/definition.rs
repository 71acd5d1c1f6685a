//! Definitions: variables, without their values.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Actor, Format, Id, Invalid, Name, Scope, Timestamp};

/// What a definition is for, in people's words: at most 1,024 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description(String);

impl Description {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Description, Invalid> {
        if text.len() <= 1_024 {
            Ok(Description(text.into()))
        } else {
            Err(Invalid::new("description", "must be at most 1024 bytes"))
        }
    }
}

/// A variable of an organization. It holds no value of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Its id.
    pub id: Id,
    /// Its name, unique within the organization and scope.
    pub name: Name,
    /// What it is for.
    pub description: Description,
    /// What kind of thing owns its values.
    pub scope: Scope,
    /// Which texts it takes.
    pub format: Format,
    /// Whether its values are sealed.
    pub encrypted: bool,
    /// Whether a program cannot do without a value of it.
    pub required: bool,
    /// Who made it.
    pub created_by: Actor,
    /// Who changed it last.
    pub updated_by: Actor,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}
