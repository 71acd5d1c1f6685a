//! Audit entries: who did what to what, when, and from where.

mod event;
mod origin;

use serde::{Deserialize, Serialize};

pub use event::{AuditEvent, EntityKind};
pub use origin::{Operator, Origin, UserAgent};

use super::{AccountId, Environment, Id, Timestamp};

/// One entry of the trail. Its place in its chain is not part of it: that is given out when it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id.
    pub id: Id,
    /// When it was planned, just before it became durable.
    pub created_at: Timestamp,
    /// What happened.
    pub event: AuditEvent,
    /// Who did it.
    pub actor: AuditActor,
    /// What it was done to.
    pub entity: Entity,
    /// Where it was done; none: in the whole organization, or the whole store.
    pub environment: Option<Environment>,
    /// The linked account that it concerns.
    pub linked_account: Option<AccountId>,
    /// Where the request came from; of what was done on the host, nothing.
    pub origin: Origin,
    /// How many were concerned, where one entry speaks of several.
    pub count: Option<u64>,
}

/// The one behind an act, as the trail remembers it when its credential is long gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditActor {
    /// Whoever runs commands on the host, by the id of the system's user.
    Operator(Operator),
    /// The holder of an API key.
    ApiKey {
        /// The key's id.
        id: Id,
        /// What the key is called; may be empty.
        name: String,
    },
    /// The holder of a session token.
    LinkedAccount {
        /// The service's own id of the account.
        id: Id,
        /// The client's.
        account_id: AccountId,
    },
    /// Somebody whose credential was refused.
    Unknown,
    /// The store itself, of its own accord.
    Store,
}

/// What an act was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What kind of thing it is.
    pub kind: EntityKind,
    /// Which one, where that is known.
    pub id: Option<EntityId>,
    /// What people call it.
    pub name: Option<String>,
}

/// How an entity is identified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntityId {
    /// By the service's own id.
    Id(Id),
    /// By a text: the name of an environment, a client's id of a workflow.
    Text(String),
}

impl Entity {
    /// The entity with this id.
    #[must_use]
    pub fn of(kind: EntityKind, id: Id) -> Entity {
        Entity { kind, id: Some(EntityId::Id(id)), name: None }
    }

    /// The entity that a text identifies.
    #[must_use]
    pub fn text(kind: EntityKind, text: impl Into<String>) -> Entity {
        Entity { kind, id: Some(EntityId::Text(text.into())), name: None }
    }

    /// An entity that nothing is known of but its kind.
    #[must_use]
    pub fn unknown(kind: EntityKind) -> Entity {
        Entity { kind, id: None, name: None }
    }

    /// The same with what people call it.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Entity {
        Entity { name: Some(name.into()), ..self }
    }
}

impl EntityId {
    /// The id of an entity of this kind that `text` spells.
    #[must_use]
    pub fn parse(kind: EntityKind, text: &str) -> Option<EntityId> {
        if kind.has_text() { Some(EntityId::Text(text.into())) } else { text.parse().ok().map(EntityId::Id) }
    }
}

impl std::fmt::Display for EntityId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EntityId::Id(id) => id.fmt(f),
            EntityId::Text(text) => f.write_str(text),
        }
    }
}

impl AuditActor {
    /// What kind of actor it is, as the API says it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            AuditActor::Operator(_) => "operator",
            AuditActor::ApiKey { .. } => "api_key",
            AuditActor::LinkedAccount { .. } => "linked_account",
            AuditActor::Unknown => "unknown",
            AuditActor::Store => "store",
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            AuditActor::Operator(operator) => Some(operator.uid.to_string()),
            AuditActor::ApiKey { id, .. } | AuditActor::LinkedAccount { id, .. } => Some(id.to_string()),
            AuditActor::Unknown | AuditActor::Store => None,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            AuditActor::ApiKey { name, .. } if !name.is_empty() => Some(name),
            AuditActor::LinkedAccount { account_id, .. } => Some(account_id.as_str()),
            _ => None,
        }
    }

    /// The actor of which these three speak; `None` where they speak of none.
    #[must_use]
    pub fn of(kind: &str, id: Option<&str>, name: Option<&str>) -> Option<AuditActor> {
        Some(match (kind, id, name) {
            ("operator", Some(id), None) => AuditActor::Operator(Operator { uid: id.parse().ok()? }),
            ("api_key", Some(id), name) => {
                AuditActor::ApiKey { id: id.parse().ok()?, name: name.unwrap_or_default().into() }
            }
            ("linked_account", Some(id), Some(name)) => {
                AuditActor::LinkedAccount { id: id.parse().ok()?, account_id: name.parse().ok()? }
            }
            ("unknown", None, None) => AuditActor::Unknown,
            ("store", None, None) => AuditActor::Store,
            _ => return None,
        })
    }
}

/// What is left of the entries that were pruned from a chain: enough to verify the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCheckpoint {
    /// The number of the last entry that was pruned.
    pub number: u64,
    /// That entry's hash.
    pub hash: [u8; 32],
    /// When it was pruned.
    pub created_at: Timestamp,
    /// The MAC over all of this.
    pub mac: [u8; 32],
}
