//! API keys: an organization's credentials, and what each may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Actor, Environment, Id, Invalid, Timestamp};

/// Something that a credential may do. None implies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Permission {
    /// See definitions, accounts and values; encrypted ones redacted.
    Read = 1,
    /// Set and delete values.
    Write = 2,
    /// Change definitions and linked accounts, issue session tokens.
    Manage = 4,
    /// With `read`: see the plaintext of encrypted values.
    Reveal = 8,
    /// Make and revoke keys, read the audit trail.
    Admin = 16,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Permission; 5] =
        [Permission::Read, Permission::Write, Permission::Manage, Permission::Reveal, Permission::Admin];

    /// The permission's name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Permission::Read => "read",
            Permission::Write => "write",
            Permission::Manage => "manage",
            Permission::Reveal => "reveal",
            Permission::Admin => "admin",
        }
    }
}

impl FromStr for Permission {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Permission, Invalid> {
        Permission::ALL
            .into_iter()
            .find(|permission| permission.as_str() == text)
            .ok_or(Invalid::new("permissions", "must be some of read, write, manage, reveal, admin"))
    }
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions(u8);

impl Permissions {
    /// No permission.
    pub const NONE: Permissions = Permissions(0);
    /// Every permission.
    pub const ALL: Permissions =
        Permissions::DEFAULT.with(Permission::Manage).with(Permission::Reveal).with(Permission::Admin);
    /// What a key gets unless told otherwise: `read` and `write`.
    pub const DEFAULT: Permissions = Permissions::NONE.with(Permission::Read).with(Permission::Write);

    /// This set and `permission`.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Permissions {
        Permissions(self.0 | permission as u8)
    }

    /// Whether `permission` is in the set.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission as u8 != 0
    }

    /// Whether every permission of `other` is in the set.
    #[must_use]
    pub const fn contains_all(self, other: Permissions) -> bool {
        self.0 & other.0 == other.0
    }

    /// The permissions of the set.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Permissions {
        permissions.into_iter().fold(Permissions::NONE, Permissions::with)
    }
}

/// Which environments a key opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// This one.
    One(Environment),
    /// Every environment of its organization, also one that is added later.
    All,
}

impl Reach {
    /// The environment, where it is one.
    #[must_use]
    pub fn environment(&self) -> Option<&Environment> {
        match self {
            Reach::One(environment) => Some(environment),
            Reach::All => None,
        }
    }

    /// What keys of this reach begin with, so that people and scanners can tell them.
    #[must_use]
    pub fn key_prefix(&self) -> &'static str {
        match self {
            Reach::One(environment) if environment.as_str() == "test" => "tk_",
            Reach::One(environment) if environment.as_str() == "production" => "pk_",
            _ => "ck_",
        }
    }
}

impl FromStr for Reach {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Reach, Invalid> {
        if text == "all" { Ok(Reach::All) } else { text.parse().map(Reach::One) }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::One(environment) => fmt::Display::fmt(environment, f),
            Reach::All => f.write_str("all"),
        }
    }
}

/// An API key, without the key: the store holds only its keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub id: Id,
    /// The organization that it opens.
    pub org: Id,
    /// The environments that it opens.
    pub reach: Reach,
    /// What it may do.
    pub permissions: Permissions,
    /// What people call it; may be empty.
    pub name: String,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it is refused by `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_permission_implies_another() {
        for one in Permission::ALL {
            let set = Permissions::NONE.with(one);
            assert_eq!(set.iter().collect::<Vec<_>>(), [one]);
        }
        assert_eq!(Permissions::ALL.iter().count(), 5);
        assert_eq!(Permissions::DEFAULT, [Permission::Read, Permission::Write].into_iter().collect());
    }
}
