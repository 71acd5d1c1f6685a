//! Records that nearly every request reads (its API key or session, its definition), kept beside sled, whose page
//! cache costs ten times as much to ask.
//!
//! Coherence rests on the index's lock: a record is remembered only by a reader that has held it since
//! before it read sled, and forgotten by the writer, which holds it alone, before sled is written. So
//! what is remembered is what sled holds, and a key that was revoked is gone when the revocation is
//! acknowledged.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::store::{Record, Revision, Tree};

/// How many records of a tree are remembered. Beyond it all are forgotten: whoever uses more has no few
/// that serve most requests, and finding the oldest would cost the others what is saved here.
const LIMIT: usize = 4096;

/// What was read lately.
#[derive(Debug, Default)]
pub(super) struct Recent {
    orgs: Records,
    api_keys: Records,
    sessions: Records,
    definitions: Records,
}

type Records = RwLock<HashMap<Vec<u8>, Record>>;

impl Recent {
    fn of(&self, tree: Tree) -> Option<&Records> {
        match tree {
            Tree::Orgs => Some(&self.orgs),
            Tree::ApiKeys => Some(&self.api_keys),
            Tree::Sessions => Some(&self.sessions),
            Tree::Definitions => Some(&self.definitions),
            _ => None,
        }
    }

    /// Whether records of `tree` are remembered at all.
    pub(super) fn covers(&self, tree: Tree) -> bool {
        self.of(tree).is_some()
    }

    /// The record under `key`, if it is remembered.
    pub(super) fn get(&self, tree: Tree, key: &[u8]) -> Option<Record> {
        self.of(tree)?.read().get(key).cloned()
    }

    /// The commit that wrote the record under `key`, if that is remembered.
    pub(super) fn revision(&self, tree: Tree, key: &[u8]) -> Option<Revision> {
        self.of(tree)?.read().get(key).map(|record| record.revision)
    }

    /// Remembers `record`. The caller has held the index's lock since before it read it.
    pub(super) fn remember(&self, tree: Tree, record: &Record) {
        if let Some(records) = self.of(tree) {
            let mut records = records.write();
            if records.len() >= LIMIT {
                records.clear();
            }
            records.insert(record.key.clone(), record.clone());
        }
    }

    /// Forgets the record under `key`. The caller holds the index's lock alone, and writes sled after this.
    pub(super) fn forget(&self, tree: Tree, key: &[u8]) {
        if let Some(records) = self.of(tree) {
            records.write().remove(key);
        }
    }
}
