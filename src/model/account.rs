//! Linked accounts, and the ids that clients choose themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Id, Invalid, Timestamp};

/// The client's own id for one of its end customers: 1–256 bytes of UTF-8 without control characters.
/// Compared byte by byte, never normalized.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountId(String);

/// The client's own id for a workflow; the same rule as for [`AccountId`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkflowId(String);

macro_rules! client_chosen_id {
    ($type:ident, $field:literal) => {
        impl $type {
            /// The id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<$type, Invalid> {
                if is_client_chosen_id(text) {
                    Ok($type(text.into()))
                } else {
                    Err(Invalid::new($field, "must be 1 to 256 bytes of UTF-8 without control characters"))
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

client_chosen_id!(AccountId, "linked_account_id");
client_chosen_id!(WorkflowId, "workflow_id");

fn is_client_chosen_id(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// An end customer of an organization, in one environment. Its account id is its key in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The service's own id for it.
    pub id: Id,
    /// What people call it; empty where it was registered by its first value.
    pub name: String,
    /// What the client notes of it, by key: user-defined fields.
    pub udf: BTreeMap<String, String>,
    /// When it was registered, by hand or by its first value.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
}

impl Account {
    /// The longest name, in bytes.
    pub const MAX_NAME_BYTES: usize = 256;
    /// How many user-defined fields there may be.
    pub const MAX_FIELDS: usize = 64;
    /// The longest key of a user-defined field, in bytes.
    pub const MAX_KEY_BYTES: usize = 128;
    /// How long the user-defined fields may be together, in bytes, their keys included: a page has up to a
    /// thousand accounts.
    pub const MAX_FIELDS_BYTES: usize = 8192;

    /// An account that was just registered.
    #[must_use]
    pub fn registered(id: Id, now: Timestamp) -> Account {
        Account { id, name: String::new(), udf: BTreeMap::new(), created_at: now, updated_at: now }
    }

    /// Checks the name and the fields against the limits.
    ///
    /// # Errors
    /// [`Invalid`], naming the first that is beyond one.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.name.len() > Account::MAX_NAME_BYTES || self.name.chars().any(char::is_control) {
            return Err(Invalid::new("name", "must be at most 256 bytes without control characters"));
        }
        let is_key = |key: &String| {
            (1..=Account::MAX_KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control)
        };
        if self.udf.len() > Account::MAX_FIELDS {
            return Err(Invalid::new("udf", "must have at most 64 fields"));
        }
        if !self.udf.keys().all(is_key) {
            return Err(Invalid::new("udf", "must have keys of 1 to 128 bytes without control characters"));
        }
        let bytes: usize = self.udf.iter().map(|(key, field)| key.len() + field.len()).sum();
        if bytes > Account::MAX_FIELDS_BYTES {
            return Err(Invalid::new("udf", "must have at most 8192 bytes, keys included"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_rule() {
        for good in ["user_12345", "mark@acme.com", "a/b", "%2F", "..", "用户", " ", &"é".repeat(128)] {
            assert!(good.parse::<AccountId>().is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "a\0", "\u{85}", "\u{7f}", &"é".repeat(129), &"a".repeat(257)] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad:?}");
        }
    }
}
