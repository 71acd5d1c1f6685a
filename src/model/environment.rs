//! Environments: the rooms of an organization that do not see each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// The name of an environment: `test`, `production`, or one that the organization added.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Environment(String);

impl Environment {
    /// `test`, which every organization has.
    #[must_use]
    pub fn test() -> Environment {
        Environment("test".into())
    }

    /// `production`, which every organization has.
    #[must_use]
    pub fn production() -> Environment {
        Environment("production".into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Environment {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Environment, Invalid> {
        let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = text.len() <= 32
            && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
            && text.bytes().all(rest);
        // `all` is what a key for every environment says instead of a name.
        if valid && text != "all" {
            Ok(Environment(text.into()))
        } else {
            Err(Invalid::new(
                "environment",
                "must be a lower-case letter and up to 31 lower-case letters, digits and hyphens, and not `all`",
            ))
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        for good in ["test", "production", "a", "eu-west-1", &"a".repeat(32)] {
            assert!(good.parse::<Environment>().is_ok(), "{good}");
        }
        for bad in ["", "Test", "1a", "-a", "a_b", "a.b", "é", "a/b", "all", &"a".repeat(33)] {
            assert!(bad.parse::<Environment>().is_err(), "{bad}");
        }
    }
}
