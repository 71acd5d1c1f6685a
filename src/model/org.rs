//! Organizations: the tenants of a store.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Environment, Id, Invalid, Timestamp};

/// What people call an organization: 1–128 bytes without control characters or blanks at the ends, and not
/// 24 hex digits, which are an id. Unique within a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgName(String);

impl OrgName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrgName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<OrgName, Invalid> {
        let valid = (1..=128).contains(&text.len())
            && text.trim() == text
            && !text.chars().any(char::is_control)
            && text.parse::<Id>().is_err();
        if valid {
            Ok(OrgName(text.into()))
        } else {
            Err(Invalid::new(
                "organization name",
                "must be 1 to 128 bytes without control characters or outer blanks, and not itself an id",
            ))
        }
    }
}

impl fmt::Display for OrgName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: OrgName,
    /// The environments that it has, in the order in which they were added.
    pub environments: Vec<Environment>,
    /// The id of the data key that seals its new values.
    pub data_key: Id,
    /// When it was made.
    pub created_at: Timestamp,
}
