//! The rules: who may do what, and what it does. One file a capability; each adds methods to [`Vault`].
//!
//! A change is one batch: a value, its index entries and its counters stand or fall together. A change that
//! was planned on what another change has replaced meanwhile is planned again, from the start.

mod access;
mod account_lists;
mod accounts;
mod api_keys;
mod audit;
mod backup;
mod browse;
mod checkup;
mod context;
mod data_keys;
mod definition_changes;
mod definition_lists;
mod definitions;
mod error;
mod examine;
mod healing;
mod history;
mod ids;
mod import;
mod key_uses;
mod opening;
mod orgs;
mod page;
mod passphrase;
mod precondition;
mod render;
mod rotation;
mod session_tokens;
mod sessions;
mod set_value;
mod totals;
mod values;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, RwLock};

pub use access::{Caller, CallerIn, NamedEnvironment, Need, need};
pub use account_lists::AccountFilter;
pub use accounts::{AccountChange, ChangedAccount, NamedAccount};
pub use api_keys::{ApiKeyHandle, ApiKeySecret, ListedApiKey, NewApiKey};
pub use audit::{
    AUDIT_LINES, AuditFilter, AuditHead, AuditLinker, AuditOutline, AuditRecord, ExportCheck, ExportFault,
    ShownCredential, VerifiedChain, VerifiedPart,
};
pub use backup::{Advance, BackupError, BackupSummary, restore, verify};
pub use browse::Search;
pub use checkup::Checkup;
pub use context::{Context, Shadowed, Variable};
pub use definition_changes::DefinitionPatch;
pub use definition_lists::DefinitionFilter;
pub use definitions::NewDefinition;
pub use error::Error;
pub use examine::Examined;
pub use history::ValueVersion;
pub use ids::SubjectIds;
pub use import::{Import, Imported};
pub use opening::{Contents, Opened, OpeningError, audit_linker, check_keyring, contents, create, open};
pub use page::{Page, PageRequest};
pub use precondition::{Precondition, Tags};
pub use render::{MAX_TEMPLATE_BYTES, Reference, Rendered};
pub use rotation::Rotation;
pub use session_tokens::SessionToken;
pub use sessions::IssuedTokens;
pub use set_value::SetValue;
pub use totals::Totals;
pub use values::{FoundValue, ResolvedValue, ShownContent, ValueFilter};
pub use watch::{Event, Step, Watch};

use crate::crypto::Keyring;
use crate::model::{Id, IdGenerator};
use crate::store::record::{self, Stored};
use crate::store::{self, Batch, Engine, Revision, Tree};
use audit::Refusals;
use data_keys::DataKeys;
use key_uses::KeyUses;
use rotation::Rotations;

/// What the operator decided.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whether a value for an unknown linked account is refused, instead of registering the account.
    pub strict_accounts: bool,
    /// How many bytes a value has at most.
    pub max_value_bytes: usize,
    /// How many versions of a value are kept, the current one included.
    pub keep_versions: u32,
    /// How long a session token is valid.
    pub session_lifetime: Duration,
    /// How long a refresh token is valid.
    pub refresh_lifetime: Duration,
    /// How long entries of the audit trail are kept.
    pub audit_lifetime: Duration,
}

#[cfg(test)]
impl Policy {
    /// What the configuration says by default.
    pub(crate) fn for_tests() -> Policy {
        Policy {
            strict_accounts: false,
            max_value_bytes: 65_536,
            keep_versions: 10,
            session_lifetime: Duration::from_secs(24 * 60 * 60),
            refresh_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            audit_lifetime: Duration::from_secs(365 * 24 * 60 * 60),
        }
    }
}

/// The open store with its keys, behind the rules. Cheap to clone; clones are the same vault.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    keyring: Keyring,
    data_keys: DataKeys,
    key_uses: KeyUses,
    audit: Arc<AuditLinker>,
    refusals: Refusals,
    ids: IdGenerator,
    policy: Policy,
    /// Held shared by whoever sets a value, exclusively by whoever changes a definition with all its values:
    /// requirements alone would keep the store correct, but a busy definition could then never be changed.
    definition_gates: [RwLock<()>; GATES],
    rotations: Rotations,
    /// Held by whoever changes the passphrase.
    passphrase_gate: Mutex<()>,
}

/// Definitions share gates; enough of them that two rarely do.
const GATES: usize = 64;

/// How often a change is planned anew before the caller is told that the store is too busy. Each time,
/// another change to the same record went through.
const MAX_ATTEMPTS: usize = 1_000;

impl Vault {
    /// The vault over a store whose keyring is open.
    ///
    /// # Errors
    /// [`Error::Store`] where the store cannot be read or a data key in it does not unwrap.
    pub async fn open(engine: Arc<dyn Engine>, keyring: Keyring, policy: Policy) -> Result<Vault, Error> {
        let data_keys = DataKeys::load(engine.as_ref(), &keyring).await?;
        let audit = Arc::new(AuditLinker::new(keyring.audit().clone()));
        Ok(Vault(Arc::new(Inner {
            engine,
            keyring,
            data_keys,
            key_uses: KeyUses::default(),
            audit,
            refusals: Refusals::default(),
            ids: IdGenerator::default(),
            policy,
            definition_gates: std::array::from_fn(|_| RwLock::new(())),
            rotations: Rotations::default(),
            passphrase_gate: Mutex::new(()),
        })))
    }

    fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// Whether the store takes writes.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.0.engine.is_writable()
    }

    async fn get<T: Stored>(&self, tree: Tree, key: &[u8]) -> Result<Option<Seen<T>>, Error> {
        match self.0.engine.get(tree, key).await? {
            Some(found) => Ok(Some(Seen { noun: record::decode(&found.value)?, revision: found.revision })),
            None => Ok(None),
        }
    }

    async fn counter(&self, key: &[u8]) -> Result<(u64, Option<Revision>), Error> {
        match self.0.engine.get(Tree::Counters, key).await? {
            Some(found) => {
                let total = store::decode_counter(&found.value)?;
                Ok((u64::try_from(total).unwrap_or(0), Some(found.revision)))
            }
            None => Ok((0, None)),
        }
    }

    /// Commits `batch`: `false` where what it was planned on has changed meanwhile, so that it has to be
    /// planned anew.
    async fn commit(&self, batch: Batch) -> Result<bool, Error> {
        match self.0.engine.commit(batch).await {
            Ok(_) => Ok(true),
            Err(store::Error::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn definition_gate(&self, definition: Id) -> &RwLock<()> {
        &self.0.definition_gates[gate_of(definition)]
    }
}

fn gate_of(definition: Id) -> usize {
    usize::from(definition.as_bytes()[11]) % GATES
}

/// A noun and the commit that wrote it.
struct Seen<T> {
    noun: T,
    revision: Revision,
}
