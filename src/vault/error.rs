//! Why the vault refuses. Each variant is one row of the API's error table.

use crate::crypto;
use crate::model::{Environment, Invalid, Name, Scope};
use crate::store;
use crate::vault::KeyField;

/// A refusal, or a fault. No variant carries a value, a key or a passphrase.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credential, or one that does not count: unknown, revoked, expired.
    #[error("Invalid Credentials")]
    InvalidCredentials,
    /// A session or refresh token that does not count: malformed, forged, spent, expired, revoked.
    #[error("Invalid token")]
    InvalidToken,
    /// Authenticated, but not allowed.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It is not there, or not the caller's to see.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The organization has a definition of this name in this scope.
    #[error("a definition of this name exists in scope {0}")]
    DuplicateDefinition(Scope),
    /// The environment has an account of this id.
    #[error("a linked account of this id exists in environment {0}")]
    DuplicateLinkedAccount(Environment),
    /// The definition has values, and deleting them was not asked for.
    #[error("the definition still has values ({0}); force=true deletes them too")]
    DefinitionInUse(u64),
    /// A precondition did not hold.
    #[error("the value's version is not the one that was required")]
    VersionConflict,
    /// The value is not of the definition's format.
    #[error("value does not match the variable format")]
    ValueFormatMismatch,
    /// Values of an import are not of their definitions' formats.
    #[error("value does not match the variable format: {}", list(.0))]
    MisfitVariables(Vec<Name>),
    /// An import names what is not defined.
    #[error("Variable definition not found: {}", list(.0))]
    UnknownVariables(Vec<Name>),
    /// A template refers to what has no value in its context.
    #[error("unresolved: {}", list(.0))]
    UnresolvedReferences(Vec<String>),
    /// The ids passed do not fit the definition's scope.
    #[error("{0}")]
    ScopeMismatch(&'static str),
    /// The linked account's id is malformed, contradicts itself, or names no account where one must be.
    #[error("{0}")]
    InvalidLinkedAccount(String),
    /// A key that cannot be made, for what is in one of its fields.
    #[error("{1}")]
    InvalidKey(KeyField, String),
    /// A key that would have more than its maker's own.
    #[error("a key can be {}", match .0 {
        KeyField::Permissions => "given only permissions that yours has",
        _ => "made only for environments that yours opens",
    })]
    KeyBeyondYours(KeyField),
    /// Any other malformed input.
    #[error("{0}")]
    InvalidRequest(String),
    /// The value, or the change, is too large.
    #[error("{0}")]
    TooLarge(String),
    /// The store refused, or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A sealed value did not open: it was damaged, or moved from where it was sealed.
    #[error("a sealed value does not open")]
    Unsealable(#[from] crypto::OpenError),
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Error {
        match invalid.field {
            "linked_account_id" => Error::InvalidLinkedAccount(invalid.to_string()),
            _ => Error::InvalidRequest(invalid.to_string()),
        }
    }
}

fn list(names: &[impl std::fmt::Display]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
