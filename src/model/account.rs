//! Linked accounts, and the ids that clients choose themselves.

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
    /// When it was registered, by hand or by its first value.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
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
