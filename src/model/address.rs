//! The address of a value.

use super::{Environment, Id, Subject};

/// Where a value lives: at most one value has each address. Made of ids that never change, so that
/// renaming a definition moves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The organization.
    pub org: Id,
    /// The environment.
    pub environment: Environment,
    /// What owns the value.
    pub subject: Subject,
    /// The definition that the value is of.
    pub definition: Id,
}
