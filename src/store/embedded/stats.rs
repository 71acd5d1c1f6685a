//! What the engine counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::store::Revision;

/// What the engine did since it was opened, and where it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches accepted.
    pub commits: u64,
    /// Batches refused because a requirement did not hold.
    pub conflicts: u64,
    /// Groups of batches that went to the journal together.
    pub groups: u64,
    /// Syncs of the journal.
    pub syncs: u64,
    /// Time spent in those syncs.
    pub sync_time: Duration,
    /// Batches waiting for the committer.
    pub queue_depth: u64,
    /// Bytes of journal that no base covers yet.
    pub journal_bytes: u64,
    /// The last commit.
    pub last_revision: Revision,
    /// The commit up to which journal is no longer needed.
    pub base_revision: Revision,
}

/// The counters behind [`Stats`]; each is exact, together they may be of slightly different moments.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) conflicts: AtomicU64,
    pub(super) groups: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) sync_nanos: AtomicU64,
    pub(super) queue_depth: AtomicU64,
    pub(super) queue_bytes: AtomicU64,
    /// Bytes of journal since the store's first, less what was there when it was opened and covered.
    pub(super) journal_written: AtomicU64,
    /// [`Counters::journal_written`] as it was when the last base was begun.
    pub(super) journal_at_base: AtomicU64,
    pub(super) base_revision: AtomicU64,
}

impl Counters {
    /// Counts one synced frame.
    pub(super) fn count_sync(&self, bytes: u64, took: Duration) {
        self.groups.fetch_add(1, Relaxed);
        self.syncs.fetch_add(1, Relaxed);
        self.sync_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        self.journal_written.fetch_add(bytes, Relaxed);
    }

    /// Bytes of journal that no base covers.
    pub(super) fn journal_bytes(&self) -> u64 {
        self.journal_written.load(Relaxed).saturating_sub(self.journal_at_base.load(Relaxed))
    }

    /// The counters as they are.
    pub(super) fn read(&self, last_revision: Revision) -> Stats {
        Stats {
            commits: self.commits.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
            groups: self.groups.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            sync_time: Duration::from_nanos(self.sync_nanos.load(Relaxed)),
            queue_depth: self.queue_depth.load(Relaxed),
            journal_bytes: self.journal_bytes(),
            last_revision,
            base_revision: Revision(self.base_revision.load(Relaxed)),
        }
    }
}
