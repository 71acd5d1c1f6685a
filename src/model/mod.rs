//! The nouns of the service, as types that can only hold what is valid. Nothing here does I/O.
//!
//! Text from outside is parsed into these types once, at the edge; from then on the type is the proof.

mod account;
mod actor;
mod address;
mod api_key;
mod audit;
mod definition;
mod environment;
mod format;
mod id;
mod name;
mod org;
mod scope;
mod session;
mod timestamp;
mod value;

pub use account::{Account, AccountId, WorkflowId};
pub use actor::Actor;
pub use address::Address;
pub use api_key::{ApiKey, Permission, Permissions, Reach};
pub use audit::{
    AuditActor, AuditCheckpoint, AuditEntry, AuditEvent, Entity, EntityId, EntityKind, Operator, Origin,
    UserAgent,
};
pub use definition::{Definition, Description};
pub use environment::Environment;
pub use format::Format;
pub use id::{Id, IdGenerator};
pub use name::Name;
pub use org::{Org, OrgName};
pub use scope::{Scope, Subject};
pub use session::Session;
pub use timestamp::{LONGEST_LIFETIME, Timestamp};
pub use value::{Content, Value};

/// Why a text is not what a field takes. The text itself is never part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {expected}")]
pub struct Invalid {
    /// The field, as clients spell it.
    pub field: &'static str,
    /// What it must be, as the end of a sentence that begins with the field.
    pub expected: &'static str,
}

impl Invalid {
    /// `field` is not what `expected` says.
    #[must_use]
    pub const fn new(field: &'static str, expected: &'static str) -> Invalid {
        Invalid { field, expected }
    }
}
