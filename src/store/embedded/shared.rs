//! What the engine's threads share.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard};

use super::healing::Suspicion;
use super::index::Index;
use super::instance::Instance;
use super::stats::Counters;
use super::tuning::Tuning;
use crate::store::feed::Feed;
use crate::store::{Error, Revision};

/// State of an open engine.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) instance: Instance,
    pub(super) tuning: Tuning,
    pub(super) counters: Counters,
    /// The latest commits.
    pub(super) feed: Feed,
    /// Set by closing: no batch is taken any more.
    pub(super) closed: AtomicBool,
    /// `None` once closed.
    index: RwLock<Option<Index>>,
    /// The last commit that is in the index.
    applied: AtomicU64,
    /// What reads met in the index.
    pub(super) suspicion: Suspicion,
    /// Why nothing can be written any more.
    failure: OnceLock<String>,
}

impl Shared {
    pub(super) fn new(dir: PathBuf, instance: Instance, tuning: Tuning, index: Index, feed: Feed) -> Shared {
        Shared {
            dir,
            instance,
            tuning,
            counters: Counters::default(),
            closed: AtomicBool::new(false),
            index: RwLock::new(Some(index)),
            applied: AtomicU64::new(feed.last().0),
            feed,
            suspicion: Suspicion::default(),
            failure: OnceLock::new(),
        }
    }

    /// The index, for as long as the guard lives.
    pub(super) fn index(&self) -> Result<MappedRwLockReadGuard<'_, Index>, Error> {
        RwLockReadGuard::try_map(self.index.read(), Option::as_ref).map_err(|_| closed())
    }

    /// Takes the index away from all readers.
    pub(super) fn take_index(&self) -> Option<Index> {
        self.index.write().take()
    }

    /// Gives all readers another index, and returns the one before; `None`, and nothing changes, once closed.
    pub(super) fn replace_index(&self, index: Index) -> Option<Index> {
        let mut current = self.index.write();
        current.is_some().then(|| current.replace(index)).flatten()
    }

    /// The last commit that is in the index.
    pub(super) fn applied(&self) -> Revision {
        Revision(self.applied.load(Ordering::Acquire))
    }

    /// Says that the index has all commits up to `revision`.
    pub(super) fn set_applied(&self, revision: Revision) {
        self.applied.store(revision.0, Ordering::Release);
    }

    /// Ends writing for this process.
    pub(super) fn fail(&self, why: String) {
        tracing::error!("the store takes no more writes until it is opened anew: {why}");
        // The first reason is the one that matters.
        let _ = self.failure.set(why);
    }

    /// What ended writing for this process, if anything did.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.get().map(|why| Error::Unavailable(why.clone()))
    }

    /// Why no new batch is taken, if so.
    pub(super) fn unwritable(&self) -> Option<Error> {
        self.failure().or_else(|| self.closed.load(Ordering::Acquire).then(closed))
    }
}

fn closed() -> Error {
    Error::Unavailable("it is closed".into())
}
