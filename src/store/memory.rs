//! The second engine: a map in memory whose faults come when they are called.
//!
//! For tests of the floors above. It keeps the same promises as the embedded engine, the conformance suite
//! says so, and can be told to break them one at a time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::chain::Heads;
use super::feed::Feed;
use super::{
    Batch, BoxFuture, Engine, Error, Record, Requirement, Revision, Tree, Write, decode_counter,
    encode_counter,
};

type Map = BTreeMap<(Tree, Vec<u8>), (Revision, Vec<u8>)>;

/// An engine in memory.
#[derive(Debug)]
pub struct Memory {
    state: Mutex<State>,
    frozen: watch::Sender<bool>,
    feed: Feed,
    reads: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    map: Map,
    last: u64,
    commits: u64,
    fail_next: Vec<Error>,
    crashed: bool,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Memory {
        Memory {
            state: Mutex::default(),
            frozen: watch::Sender::new(false),
            feed: Feed::after_commit(Revision(0)),
            reads: AtomicU64::new(0),
        }
    }

    /// The next commit that gets that far fails with `error`, and changes nothing. Called more than once,
    /// the commits after it fail too, in that order.
    pub fn fail_next(&self, error: Error) {
        self.state.lock().fail_next.push(error);
    }

    /// From now on commits wait, and change nothing, until [`Memory::release`] or [`Memory::crash`].
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Lets commits go on, those that wait first.
    pub fn release(&self) {
        self.frozen.send_replace(false);
    }

    /// Ends writing, as a failed sync does: what was committed stays readable, commits that wait are lost
    /// and learn only that their outcome is unknown.
    pub fn crash(&self) {
        self.state.lock().crashed = true;
        self.release();
    }

    /// Writing works again, as after a restart of the process.
    pub fn restart(&self) {
        let mut state = self.state.lock();
        state.crashed = false;
        state.fail_next.clear();
        drop(state);
        self.release();
    }

    /// How many commits succeeded.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.state.lock().commits
    }

    /// How many records were read.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Every record of a tree.
    #[must_use]
    pub fn dump(&self, tree: Tree) -> Vec<Record> {
        self.state.lock().range(tree, b"", None, usize::MAX)
    }
}

impl State {
    fn range(&self, tree: Tree, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Record> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded((tree, after.to_vec())),
            _ => Bound::Included((tree, prefix.to_vec())),
        };
        self.map
            .range((from, Bound::Unbounded))
            .take_while(|((of, key), _)| *of == tree && key.starts_with(prefix))
            .take(limit)
            .map(|((_, key), (revision, value))| Record {
                key: key.clone(),
                value: value.clone(),
                revision: *revision,
            })
            .collect()
    }

    fn commit(&mut self, batch: &Batch) -> Result<Revision, Error> {
        if self.crashed {
            return Err(Error::Unavailable("it crashed".into()));
        }
        if !self.fail_next.is_empty() {
            return Err(self.fail_next.remove(0));
        }
        if !batch.requirements().iter().all(|requirement| self.holds(requirement)) {
            return Err(Error::Conflict);
        }
        let changes = self.changes(batch)?;
        let revision = Revision(self.last + 1);
        for (key, value) in changes {
            match value {
                Some(value) => self.map.insert(key, (revision, value)),
                None => self.map.remove(&key),
            };
        }
        self.last = revision.0;
        self.commits += 1;
        Ok(revision)
    }

    fn holds(&self, requirement: &Requirement) -> bool {
        let revision =
            |tree: &Tree, key: &Vec<u8>| self.map.get(&(*tree, key.clone())).map(|(revision, _)| *revision);
        match requirement {
            Requirement::Absent(tree, key) => revision(tree, key).is_none(),
            Requirement::Version(tree, key, seen) => revision(tree, key) == Some(*seen),
        }
    }

    #[allow(clippy::type_complexity)]
    fn changes(&self, batch: &Batch) -> Result<BTreeMap<(Tree, Vec<u8>), Option<Vec<u8>>>, Error> {
        let mut changes: BTreeMap<(Tree, Vec<u8>), Option<Vec<u8>>> = BTreeMap::new();
        let mut heads = Heads::default();
        for write in batch.writes() {
            match write {
                Write::Put(tree, key, value) => changes.insert((*tree, key.clone()), Some(value.clone())),
                Write::Delete(tree, key) => changes.insert((*tree, key.clone()), None),
                Write::Add(tree, key, amount) => {
                    let key = (*tree, key.clone());
                    let before = match changes.get(&key) {
                        Some(changed) => changed.as_deref(),
                        None => self.map.get(&key).map(|(_, value)| value.as_slice()),
                    };
                    let total = before.map_or(Ok(0), decode_counter)?;
                    let total = total
                        .checked_add(*amount)
                        .ok_or_else(|| Error::Damaged("a counter has left its range".into()))?;
                    changes.insert(key, Some(encode_counter(total).to_vec()))
                }
                Write::Append(append) => {
                    let mut first = |tree, range: &[u8]| Ok(self.range(tree, range, None, 1).pop());
                    let mut linked = Vec::new();
                    append.resolve(&mut heads, &[], &mut first, &mut linked)?;
                    changes.extend(linked.into_iter().map(|new| ((new.tree, new.key), Some(new.value))));
                    continue;
                }
            };
        }
        Ok(changes)
    }
}

impl Engine for Memory {
    fn get<'a>(&'a self, tree: Tree, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Record>, Error>> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let state = self.state.lock();
            let found = state.map.get(&(tree, key.to_vec()));
            Ok(found.map(|(revision, value)| Record {
                key: key.to_vec(),
                value: value.clone(),
                revision: *revision,
            }))
        })
    }

    fn scan<'a>(
        &'a self,
        tree: Tree,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, Error>> {
        Box::pin(async move {
            let found = self.state.lock().range(tree, prefix, after, limit);
            self.reads.fetch_add(found.len() as u64, Ordering::Relaxed);
            Ok(found)
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Revision, Error>> {
        Box::pin(async move {
            // Fails only when the sender is gone, and that is `self`.
            let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
            let mut state = self.state.lock();
            let revision = state.commit(&batch)?;
            let told = batch.writes().iter().filter(|_| batch.is_announced());
            self.feed.add(revision, told.map(Write::change));
            Ok(revision)
        })
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn is_writable(&self) -> bool {
        !self.state.lock().crashed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::store::conformance::{block_on, put};

    #[test]
    fn a_commanded_failure_strikes_once_and_writes_nothing() {
        let store = Memory::new();
        store.fail_next(Error::Busy);
        block_on(async {
            assert!(matches!(store.commit(put("a", "1")).await, Err(Error::Busy)));
            assert_eq!(store.get(Tree::Values, b"a").await.unwrap(), None);
            store.commit(put("a", "2")).await.unwrap();
        });
        assert_eq!(store.commits(), 1);
    }

    #[test]
    fn frozen_commits_wait_for_release() {
        block_on(async {
            let store = Arc::new(Memory::new());
            store.freeze();
            let waiting = tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.commit(put("a", "1")).await }
            });
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(!waiting.is_finished());
            assert_eq!(store.get(Tree::Values, b"a").await.unwrap(), None);
            store.release();
            waiting.await.unwrap().unwrap();
            assert!(store.get(Tree::Values, b"a").await.unwrap().is_some());
        });
    }

    #[test]
    fn a_crash_keeps_what_was_committed_and_loses_what_waited() {
        block_on(async {
            let store = Arc::new(Memory::new());
            store.commit(put("a", "1")).await.unwrap();
            store.freeze();
            let waiting = tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.commit(put("b", "1")).await }
            });
            tokio::time::sleep(Duration::from_millis(10)).await;
            store.crash();
            assert!(matches!(waiting.await.unwrap(), Err(Error::Unavailable(_))));
            assert!(!store.is_writable());
            assert!(store.get(Tree::Values, b"a").await.unwrap().is_some());
            assert!(store.get(Tree::Values, b"b").await.unwrap().is_none());
            store.restart();
            store.commit(put("b", "2")).await.unwrap();
        });
    }
}
