//! Audit entries: who did what, when.

use serde::{Deserialize, Serialize};

use super::{Actor, Environment, Id, Timestamp};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditEvent {
    /// The plaintext of an encrypted value was handed out.
    ValueRevealed,
    /// The plaintext of every encrypted value of a context was handed out at once.
    ContextRevealed,
}

/// One entry of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id.
    pub id: Id,
    /// What happened.
    pub event: AuditEvent,
    /// Who did it.
    pub actor: Actor,
    /// The id of the thing that it was done to.
    pub entity: Id,
    /// Where it was done.
    pub environment: Environment,
    /// When.
    pub created_at: Timestamp,
}
