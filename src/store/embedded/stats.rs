//! What the engine counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::store::Revision;

const BUCKETS: usize = 12;

/// From what a disk with a cache that survives a power cut takes, to what one that is broken does.
const SYNC_BOUNDS: [f64; BUCKETS] =
    [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 1.0, f64::INFINITY];
const GROUP_BOUNDS: [f64; BUCKETS] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, f64::INFINITY];

fn bucket(bounds: &[f64; BUCKETS], observed: f64) -> usize {
    bounds.iter().position(|bound| observed <= *bound).unwrap_or(BUCKETS - 1)
}

/// How often something was seen, by how large it was.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Distribution {
    /// What is counted in each bucket at most; the last has no limit.
    pub bounds: [f64; BUCKETS],
    /// How often, each bucket by itself.
    pub counts: [u64; BUCKETS],
    /// All that was seen, added up.
    pub sum: f64,
}

impl Distribution {
    /// How often in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What the engine did since it was opened, and where it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Batches accepted.
    pub commits: u64,
    /// Batches refused because a requirement did not hold.
    pub conflicts: u64,
    /// Syncs of the journal, by how many seconds they took.
    pub syncs: Distribution,
    /// The groups of batches that went to the journal with one sync each, by how many those were.
    pub groups: Distribution,
    /// Batches waiting for the committer.
    pub queue_depth: u64,
    /// Bytes of journal that no base covers yet.
    pub journal_bytes: u64,
    /// Bytes of memory that the index may fill with what it read.
    pub cache_bytes: u64,
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
    sync_nanos: AtomicU64,
    syncs: [AtomicU64; BUCKETS],
    groups: [AtomicU64; BUCKETS],
    pub(super) queue_depth: AtomicU64,
    pub(super) queue_bytes: AtomicU64,
    /// Bytes of journal since the store's first, less what was there when it was opened and covered.
    pub(super) journal_written: AtomicU64,
    /// [`Counters::journal_written`] as it was when the last base was begun.
    pub(super) journal_at_base: AtomicU64,
    pub(super) base_revision: AtomicU64,
}

impl Counters {
    /// Counts one synced frame of so many batches.
    pub(super) fn count_sync(&self, batches: usize, bytes: u64, took: Duration) {
        self.groups[bucket(&GROUP_BOUNDS, batches as f64)].fetch_add(1, Relaxed);
        self.syncs[bucket(&SYNC_BOUNDS, took.as_secs_f64())].fetch_add(1, Relaxed);
        self.sync_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        self.journal_written.fetch_add(bytes, Relaxed);
    }

    /// Bytes of journal that no base covers.
    pub(super) fn journal_bytes(&self) -> u64 {
        self.journal_written.load(Relaxed).saturating_sub(self.journal_at_base.load(Relaxed))
    }

    /// The counters as they are.
    pub(super) fn read(&self, last_revision: Revision, cache_bytes: u64) -> Stats {
        Stats {
            commits: self.commits.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
            syncs: Distribution {
                bounds: SYNC_BOUNDS,
                counts: self.syncs.each_ref().map(|count| count.load(Relaxed)),
                sum: Duration::from_nanos(self.sync_nanos.load(Relaxed)).as_secs_f64(),
            },
            groups: Distribution {
                bounds: GROUP_BOUNDS,
                counts: self.groups.each_ref().map(|count| count.load(Relaxed)),
                sum: self.commits.load(Relaxed) as f64,
            },
            queue_depth: self.queue_depth.load(Relaxed),
            journal_bytes: self.journal_bytes(),
            cache_bytes,
            last_revision,
            base_revision: Revision(self.base_revision.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_counted_once_in_the_bucket_that_it_fits() {
        let counters = Counters::default();
        counters.count_sync(1, 10, Duration::from_micros(50));
        counters.count_sync(3, 10, Duration::from_millis(6));
        counters.count_sync(5_000, 10, Duration::from_secs(2));
        let stats = counters.read(Revision(3), 1);
        assert_eq!(stats.syncs.counts, [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(stats.groups.counts, [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!((stats.syncs.sum - 2.00605).abs() < 1e-9);
    }
}
