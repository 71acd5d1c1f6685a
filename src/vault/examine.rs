//! Looking at every record: whether each is what its tree holds, whether each sealed value opens where it
//! stands, and whether records that belong together are all there.

use std::collections::{BTreeMap, HashMap};

use crate::crypto::Keyring;
use crate::model::{Account, Address, ApiKey, Content, Definition, Id, Org, Session, Timestamp, Value};
use crate::store::{self, Tree, key, record};
use crate::vault::Error;
use crate::vault::audit::{AuditLinker, BackwardCheck};
use crate::vault::data_keys::DataKeys;

/// Looks at records, one after the other, in the order of trees.
pub(super) struct Examiner<'k> {
    keyring: &'k Keyring,
    data_keys: DataKeys,
    /// Each data key with its organization, and whether it is that one's current one.
    known_keys: Vec<(Id, Id)>,
    orgs: Vec<Org>,
    /// Where the sealed values are that have former versions, which say only whose they are.
    with_history: HashMap<Id, Address>,
    /// How many former versions the values say that they have.
    versions: u64,
    audit: BackwardCheck,
    found: Examined,
}

/// What was found of records that are all right.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// How many records each tree has.
    pub records: BTreeMap<Tree, u64>,
    /// How many sealed values were opened.
    pub sealed: u64,
    /// How many entries the audit trail has.
    pub audit_entries: u64,
    /// The latest time that any record bears.
    pub newest: Option<Timestamp>,
}

impl Examined {
    /// How many records a tree has.
    #[must_use]
    pub fn count(&self, tree: Tree) -> u64 {
        self.records.get(&tree).copied().unwrap_or(0)
    }

    /// How many records there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.records.values().sum()
    }
}

/// Trees whose records come in pairs: of one there are as many as of the other.
const PAIRS: [(Tree, Tree); 8] = [
    (Tree::Orgs, Tree::OrgNames),
    (Tree::ApiKeys, Tree::ApiKeyIds),
    (Tree::Definitions, Tree::DefinitionNames),
    (Tree::Definitions, Tree::DefinitionScopes),
    (Tree::Values, Tree::DefinitionValues),
    (Tree::Values, Tree::ValueIds),
    (Tree::Accounts, Tree::AccountIds),
    (Tree::Sessions, Tree::SessionIds),
];

impl<'k> Examiner<'k> {
    /// Looks at the records of the store whose keyring this is.
    pub(super) fn new(keyring: &'k Keyring) -> Examiner<'k> {
        Examiner {
            keyring,
            data_keys: DataKeys::none(),
            known_keys: Vec::new(),
            orgs: Vec::new(),
            with_history: HashMap::new(),
            versions: 0,
            audit: BackwardCheck::new(AuditLinker::new(keyring.audit().clone())),
            found: Examined::default(),
        }
    }

    /// Looks at the next record.
    ///
    /// # Errors
    /// Where it is not what its tree holds, or does not open; the error names it.
    pub(super) fn look(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), Error> {
        *self.found.records.entry(tree).or_default() += 1;
        self.look_at(tree, key, value).map_err(|error| {
            let key = String::from_utf8_lossy(key);
            damaged(format!("{}, {}: {error}", tree.name(), key.escape_debug()))
        })
    }

    fn look_at(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match tree {
            Tree::Meta => {}
            Tree::Orgs => {
                let org: Org = record::decode(value)?;
                self.note(org.created_at);
                self.orgs.push(org);
            }
            Tree::OrgNames | Tree::DefinitionNames => drop(record::decode::<Id>(value)?),
            Tree::DataKeys => self.known_keys.push(self.data_keys.unwrap(self.keyring, key, value)?),
            Tree::ApiKeys => self.note(record::decode::<ApiKey>(value)?.created_at),
            Tree::ApiKeyIds => drop(std::str::from_utf8(value).map_err(|_| damaged("no hash".into()))?),
            Tree::Definitions => {
                key::parse_definition(key)?;
                self.note(record::decode::<Definition>(value)?.updated_at);
            }
            Tree::DefinitionScopes => drop(key::scope_of_definition(key)?),
            Tree::Values => self.look_at_value(key, value)?,
            Tree::DefinitionValues => drop(key::parse_definition_value(key)?),
            Tree::ValueIds => drop(key::parse_value(value)?),
            Tree::Accounts => {
                key::place_of_account(key)?;
                self.note(record::decode::<Account>(value)?.updated_at);
            }
            Tree::AccountIds => drop(key::place_of_account(value)?),
            Tree::Counters => drop(store::decode_counter(value)?),
            Tree::Audit => {
                if let Some(created_at) = self.audit.look(key, value)? {
                    self.note(created_at);
                }
            }
            Tree::Sessions => {
                key::parse_session(key)?;
                record::decode::<Session>(value)?;
            }
            Tree::SessionIds => drop(key::parse_session(value)?),
            Tree::ValueVersions => self.look_at_version(value)?,
            Tree::ApiKeyUses => self.note(record::decode(value)?),
        }
        Ok(())
    }

    fn look_at_value(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let at = key::parse_value(key)?;
        let value: Value = record::decode(value)?;
        self.note(value.updated_at);
        if let Content::Sealed(sealed) = &value.content {
            self.data_keys.open(&at, value.id, value.version, sealed)?;
            self.found.sealed += 1;
            if value.oldest < value.version {
                self.with_history.insert(value.id, at);
            }
        }
        self.versions += value.version.saturating_sub(value.oldest);
        Ok(())
    }

    fn look_at_version(&mut self, version: &[u8]) -> Result<(), Error> {
        let version: Value = record::decode(version)?;
        if let Content::Sealed(sealed) = &version.content {
            let at = self.with_history.get(&version.id);
            let at = at.ok_or_else(|| damaged("the value that it was a version of is missing".into()))?;
            self.data_keys.open(at, version.id, version.version, sealed)?;
            self.found.sealed += 1;
        }
        Ok(())
    }

    fn note(&mut self, time: Timestamp) {
        self.found.newest = self.found.newest.max(Some(time));
    }

    /// The latest time that any record bore so far.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.found.newest
    }

    /// Looks at all of them together, when no more come.
    ///
    /// # Errors
    /// Where some are missing.
    pub(super) fn end(mut self) -> Result<Examined, Error> {
        self.found.audit_entries = self.audit.entries;
        self.audit.end()?;
        for (one, other) in PAIRS {
            let (ones, others) = (self.found.count(one), self.found.count(other));
            if ones != others {
                let (one, other) = (one.name(), other.name());
                return Err(damaged(format!("{ones} records in {one}, but {others} in {other}")));
            }
        }
        let versions = self.found.count(Tree::ValueVersions);
        if versions != self.versions {
            let expected = self.versions;
            return Err(damaged(format!("{versions} former versions of values, but {expected} are kept")));
        }
        for org in &self.orgs {
            if !self.known_keys.contains(&(org.id, org.data_key)) {
                return Err(damaged(format!("the data key of organization {} is missing", org.id)));
            }
        }
        Ok(self.found)
    }
}

fn damaged(what: String) -> Error {
    store::Error::Damaged(what).into()
}
