//! What happens, and to what kinds of things.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::Invalid;

/// Variants and their names; their order is their number in records, so new ones go to the end.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident, $field:literal, $expected:literal; $($(#[$each:meta])* $name:ident = $text:literal,)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$each])* $name,)*
        }

        impl $type {
            /// Every one.
            pub const ALL: &[$type] = &[$($type::$name,)*];

            /// Its name in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($type::$name => $text,)*
                }
            }
        }

        impl FromStr for $type {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<$type, Invalid> {
                let found = $type::ALL.iter().copied().find(|known| known.as_str() == text);
                found.ok_or(Invalid::new($field, $expected))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named! {
    /// What happened.
    AuditEvent, "event", "must be the name of an event, such as variable_value.set";
    /// A definition was made.
    DefinitionCreated = "variable_definition.created",
    /// A definition was changed, its values with it where it became encrypted.
    DefinitionUpdated = "variable_definition.updated",
    /// A definition was deleted, with as many values as the entry counts.
    DefinitionDeleted = "variable_definition.deleted",
    /// A value was set where there was none.
    ValueSet = "variable_value.set",
    /// A value was replaced.
    ValueUpdated = "variable_value.updated",
    /// A value was deleted.
    ValueDeleted = "variable_value.deleted",
    /// The plaintext of an encrypted value was handed out, or of as many of a context as the entry counts.
    ValueRevealed = "variable_value.revealed",
    /// A value has the content of an earlier version again.
    ValueRolledBack = "variable_value.rolled_back",
    /// A linked account was registered.
    AccountCreated = "linked_account.created",
    /// A linked account was changed.
    AccountUpdated = "linked_account.updated",
    /// A linked account was deleted, with as many values as the entry counts.
    AccountDeleted = "linked_account.deleted",
    /// A session began, and its first tokens were handed out.
    SessionCreated = "session_token.created",
    /// A session's tokens were renewed.
    SessionRefreshed = "session_token.refreshed",
    /// A session was ended by its holder.
    SessionRevoked = "session_token.revoked",
    /// A spent refresh token came back, which ended its session.
    SessionReused = "session_token.reused",
    /// An API key was made.
    ApiKeyCreated = "api_key.created",
    /// An API key was ended.
    ApiKeyRevoked = "api_key.revoked",
    /// A credential was refused, or as many as the entry counts.
    AuthFailed = "auth.failed",
    /// A backup was made.
    BackupCreated = "backup.created",
    /// The passphrase was changed.
    PassphraseChanged = "passphrase.changed",
    /// An organization got a new data key.
    DataKeyRotated = "data_key.rotated",
    /// An organization was made.
    OrganizationCreated = "organization.created",
    /// An environment was added to an organization.
    EnvironmentCreated = "environment.created",
    /// Something broken in the store was made anew from what is whole.
    StoreHealed = "store.healed",
    /// The store was made of a backup.
    BackupRestored = "backup.restored",
    /// The store's files were written anew from what is live, because the operator asked.
    StoreCompacted = "store.compacted",
}

named! {
    /// What kind of thing an act was done to.
    EntityKind, "type", "must be the kind of a thing, such as variable_value";
    /// A definition.
    Definition = "variable_definition",
    /// A value; its name is its definition's.
    Value = "variable_value",
    /// A linked account; its name is the client's id for it.
    Account = "linked_account",
    /// A workflow, by the client's id.
    Workflow = "workflow",
    /// An environment, by its name.
    Environment = "environment",
    /// An organization.
    Organization = "organization",
    /// A session, by the id that all its tokens carry.
    Session = "session_token",
    /// An API key.
    ApiKey = "api_key",
    /// A backup.
    Backup = "backup",
    /// The passphrase of the store.
    Passphrase = "passphrase",
    /// A data key.
    DataKey = "data_key",
    /// A credential of any kind.
    Credential = "credential",
    /// The store; where it healed, its name is what was found.
    Store = "store",
}

impl EntityKind {
    /// Whether a text identifies it, rather than an id of the service.
    pub(super) fn has_text(self) -> bool {
        matches!(self, EntityKind::Workflow | EntityKind::Environment)
    }
}
