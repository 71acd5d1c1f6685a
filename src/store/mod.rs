//! The storage seam: bytes under ordered keys, changed by atomic batches.
//!
//! Everything above this module speaks of trees, keys and batches; only an [`Engine`] knows where the
//! bytes are. A batch is data, not a closure, so that it can travel: to the embedded engine's journal
//! today, and to a remote key-value store that knows compare-and-write.

pub mod chain;
pub mod embedded;
pub mod feed;
pub mod key;
#[cfg(test)]
pub mod memory;
pub mod record;

#[cfg(test)]
pub(crate) mod conformance;

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use chain::Append;

/// A boxed future: [`Engine`] is used as a trait object, so its futures cannot be named.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One of the fixed handful of ordered maps that a store is made of.
///
/// The numbers stand in journals and backups: they are never reused or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum Tree {
    /// `instance`, `format`: what the store says of itself.
    Meta = 0,
    /// `org` → organization.
    Orgs = 1,
    /// `name` → organization id; keeps names unique.
    OrgNames = 2,
    /// `org/key` → a data key, wrapped.
    DataKeys = 3,
    /// keyed hash of the key → API key.
    ApiKeys = 4,
    /// `org/key id` → keyed hash; lists an organization's keys.
    ApiKeyIds = 5,
    /// `org/definition` → definition.
    Definitions = 6,
    /// `org/scope/name` → definition id; keeps names unique within a scope.
    DefinitionNames = 7,
    /// `org/scope/definition` → nothing; lists one scope's definitions.
    DefinitionScopes = 8,
    /// `org/env/scope/definition` → value, where `scope` is the subject.
    Values = 9,
    /// `org/definition/env/subject` → nothing; finds a definition's values.
    DefinitionValues = 10,
    /// `org/value` → the value's key in [`Tree::Values`].
    ValueIds = 11,
    /// `org/env/account` → linked account.
    Accounts = 12,
    /// Totals, kept by [`Batch::add`].
    Counters = 13,
    /// `chain/number` → audit entry with its tag, newest first; `view/number` → number in the chain; a chain's
    /// checkpoint.
    Audit = 14,
    /// `org/env/account/session` → session.
    Sessions = 15,
    /// `session` → the session's key in [`Tree::Sessions`].
    SessionIds = 16,
    /// `org/key id` → when the key was last used.
    ApiKeyUses = 17,
    /// `org/env/id` → the account's id in [`Tree::Accounts`]; lists accounts by creation.
    AccountIds = 18,
    /// `org/value/version` → a former version of the value; the newest first.
    ValueVersions = 19,
}

impl Tree {
    /// Every tree, in the order of their numbers.
    pub const ALL: [Tree; 20] = [
        Tree::Meta,
        Tree::Orgs,
        Tree::OrgNames,
        Tree::DataKeys,
        Tree::ApiKeys,
        Tree::ApiKeyIds,
        Tree::Definitions,
        Tree::DefinitionNames,
        Tree::DefinitionScopes,
        Tree::Values,
        Tree::DefinitionValues,
        Tree::ValueIds,
        Tree::Accounts,
        Tree::Counters,
        Tree::Audit,
        Tree::Sessions,
        Tree::SessionIds,
        Tree::ApiKeyUses,
        Tree::AccountIds,
        Tree::ValueVersions,
    ];

    /// The tree's name, as an engine that names its maps spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tree::Meta => "meta",
            Tree::Orgs => "orgs",
            Tree::OrgNames => "org_names",
            Tree::DataKeys => "data_keys",
            Tree::ApiKeys => "api_keys",
            Tree::ApiKeyIds => "api_key_ids",
            Tree::Definitions => "definitions",
            Tree::DefinitionNames => "definition_names",
            Tree::DefinitionScopes => "definition_scopes",
            Tree::Values => "values",
            Tree::DefinitionValues => "definition_values",
            Tree::ValueIds => "value_ids",
            Tree::Accounts => "accounts",
            Tree::Counters => "counters",
            Tree::Audit => "audit",
            Tree::Sessions => "sessions",
            Tree::SessionIds => "session_ids",
            Tree::ApiKeyUses => "api_key_uses",
            Tree::AccountIds => "account_ids",
            Tree::ValueVersions => "value_versions",
        }
    }
}

impl From<Tree> for u8 {
    fn from(tree: Tree) -> u8 {
        tree as u8
    }
}

impl TryFrom<u8> for Tree {
    type Error = String;

    fn try_from(number: u8) -> Result<Tree, String> {
        Tree::ALL.get(usize::from(number)).copied().ok_or_else(|| format!("no tree has the number {number}"))
    }
}

/// The number of a commit: 1 for a store's first, then one more for each. All records that a batch wrote
/// carry its revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Revision(pub u64);

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key, without its tree.
    pub key: Vec<u8>,
    /// The bytes last put there.
    pub value: Vec<u8>,
    /// The commit that put them there.
    pub revision: Revision,
}

/// What must hold of the store for a batch to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing stands under the key.
    Absent(Tree, Vec<u8>),
    /// The record under the key is the one that this commit wrote.
    Version(Tree, Vec<u8>, Revision),
}

/// One write of a batch.
#[derive(Debug, Clone)]
pub enum Write {
    /// The key holds these bytes afterwards.
    Put(Tree, Vec<u8>, Vec<u8>),
    /// Nothing stands under the key afterwards; no error where nothing stood before.
    Delete(Tree, Vec<u8>),
    /// The counter under the key (absent: zero) is larger by this much afterwards. Unlike a put under a
    /// requirement, two additions never conflict.
    Add(Tree, Vec<u8>, i64),
    /// The chain has this entry as its newest afterwards. Like additions, two appends never conflict.
    Append(Append),
}

impl Write {
    /// The key that changes, or the chain, and whether something stands there afterwards.
    #[must_use]
    pub fn change(&self) -> (Tree, &[u8], bool) {
        match self {
            Write::Put(tree, key, _) | Write::Add(tree, key, _) => (*tree, key, true),
            Write::Delete(tree, key) => (*tree, key, false),
            Write::Append(append) => (append.tree, &append.chain, true),
        }
    }
}

/// A change: requirements and writes across trees that stand or fall together.
///
/// Writes apply in order, so a later write to the same key wins.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    requirements: Vec<Requirement>,
    writes: Vec<Write>,
    frees_space: bool,
    is_silent: bool,
    weight: usize,
}

/// The largest batch that an engine takes, by [`Batch::weight`].
pub const MAX_BATCH_BYTES: usize = 512 << 20;

/// What framing may add to each part of a batch.
const FRAMING: usize = 16;

impl Batch {
    /// A batch that requires nothing and changes nothing.
    #[must_use]
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Requires that nothing stands under `key`.
    #[must_use]
    pub fn require_absent(mut self, tree: Tree, key: impl Into<Vec<u8>>) -> Batch {
        let key = key.into();
        self.weight += key.len() + FRAMING;
        self.requirements.push(Requirement::Absent(tree, key));
        self
    }

    /// Requires that `key` holds what commit `revision` wrote.
    #[must_use]
    pub fn require_version(mut self, tree: Tree, key: impl Into<Vec<u8>>, revision: Revision) -> Batch {
        let key = key.into();
        self.weight += key.len() + FRAMING;
        self.requirements.push(Requirement::Version(tree, key, revision));
        self
    }

    /// Requires that `key` is as it was when it was read: what `seen` says, or absent.
    #[must_use]
    pub fn require_unchanged(self, tree: Tree, key: impl Into<Vec<u8>>, seen: Option<Revision>) -> Batch {
        match seen {
            Some(revision) => self.require_version(tree, key, revision),
            None => self.require_absent(tree, key),
        }
    }

    /// Puts `value` under `key`.
    #[must_use]
    pub fn put(mut self, tree: Tree, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Batch {
        let (key, value) = (key.into(), value.into());
        self.weight += key.len() + value.len() + FRAMING;
        self.writes.push(Write::Put(tree, key, value));
        self
    }

    /// Deletes what stands under `key`, if anything does.
    #[must_use]
    pub fn delete(mut self, tree: Tree, key: impl Into<Vec<u8>>) -> Batch {
        let key = key.into();
        self.weight += key.len() + FRAMING;
        self.writes.push(Write::Delete(tree, key));
        self
    }

    /// Adds `amount` to the counter under `key`.
    #[must_use]
    pub fn add(mut self, tree: Tree, key: impl Into<Vec<u8>>, amount: i64) -> Batch {
        let key = key.into();
        self.weight += key.len() + size_of::<i64>() + FRAMING;
        self.writes.push(Write::Add(tree, key, amount));
        self
    }

    /// Appends to a chain. Its newest record must never be put or deleted by other means: engines remember it.
    #[must_use]
    pub fn append(mut self, append: Append) -> Batch {
        self.weight += append.weight(FRAMING);
        self.writes.push(Write::Append(append));
        self
    }

    /// Marks a change that makes the store smaller: it is accepted also while free disk is low.
    #[must_use]
    pub fn freeing_space(mut self) -> Batch {
        self.frees_space = true;
        self
    }

    /// Marks a change that leaves everything as it is for whoever follows the store: the feed does not tell of it.
    #[must_use]
    pub fn unannounced(mut self) -> Batch {
        self.is_silent = true;
        self
    }

    /// Whether the feed tells of the change.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        !self.is_silent
    }

    /// What must hold.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// What changes, in order.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// An upper bound of the bytes that the batch takes in a journal.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight + FRAMING
    }

    /// Whether the change is accepted while free disk is low.
    #[must_use]
    pub fn frees_space(&self) -> bool {
        self.frees_space
    }
}

/// The bytes of a counter whose total is `total`.
#[must_use]
pub fn encode_counter(total: i64) -> [u8; 8] {
    total.to_be_bytes()
}

/// The total in a counter's bytes.
///
/// # Errors
/// [`Error::Damaged`] where they are not a counter's.
pub fn decode_counter(bytes: &[u8]) -> Result<i64, Error> {
    let bytes = bytes.try_into().map_err(|_| Error::Damaged("a counter is not eight bytes".into()))?;
    Ok(i64::from_be_bytes(bytes))
}

/// Why a read or a commit did not succeed. No variant carries a record's bytes.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A requirement did not hold: nothing was written. What was seen is out of date.
    #[error("the record was changed meanwhile")]
    Conflict,
    /// The commit queue is full: nothing was written.
    #[error("too many writes are waiting")]
    Busy,
    /// Too little free disk: nothing was written.
    #[error("too little free disk space")]
    Full,
    /// The batch is larger than one commit can be: nothing was written.
    #[error("the change is too large for one commit")]
    TooLarge,
    /// The store cannot write. The outcome of this commit is not known; reads go on.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
    /// A record or file is not what this release writes; the text names it, not its content.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// A place that keeps bytes under ordered keys: the one seam of the project.
///
/// It is asynchronous because a remote engine is; the embedded one answers reads at once.
pub trait Engine: Send + Sync + 'static {
    /// The record under `key`.
    fn get<'a>(&'a self, tree: Tree, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Record>, Error>>;

    /// Up to `limit` records whose keys begin with `prefix`, in key order, after the key `after`. They are
    /// of one moment: no commit is seen in part.
    fn scan<'a>(
        &'a self,
        tree: Tree,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, Error>>;

    /// All of `batch` if its requirements hold, else none of it; durable and visible once this is `Ok`, and
    /// not visible to any reader before it is durable.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Revision, Error>>;

    /// The latest commits. One is in it once it is visible.
    fn feed(&self) -> &feed::Feed;

    /// Whether the last commit succeeded, so that the next may.
    fn is_writable(&self) -> bool;
}
