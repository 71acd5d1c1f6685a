//! The sizes that decide how the engine behaves under load, in one place.

use std::time::Duration;

/// Sizes and times. The defaults are what is shipped; tests make them small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tuning {
    /// Size of a journal segment.
    pub(super) segment_bytes: u64,
    /// Journal since the last checkpoint that makes another one due.
    pub(super) checkpoint_bytes: u64,
    /// Time after which a checkpoint is due if there was work.
    pub(super) checkpoint_every: Duration,
    /// Journal since the last base that makes another one due; as much as the base has, if that is more.
    pub(super) base_bytes: u64,
    /// Size of the index up to which it is never built anew for its size.
    pub(super) index_bytes: u64,
    /// Batches that may wait for the committer.
    pub(super) queue_batches: usize,
    /// Bytes of waiting batches from which on no further one is let in. The last one may go beyond.
    pub(super) queue_bytes: u64,
    /// Batches in one group.
    pub(super) group_batches: usize,
    /// Bytes after which a group takes no further batch.
    pub(super) group_bytes: usize,
    /// Memory that sled may keep pages in.
    pub(super) cache_bytes: u64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            segment_bytes: 16 << 20,
            checkpoint_bytes: 32 << 20,
            checkpoint_every: Duration::from_secs(60),
            base_bytes: 32 << 20,
            index_bytes: 64 << 20,
            queue_batches: 4096,
            queue_bytes: 64 << 20,
            group_batches: 512,
            group_bytes: 4 << 20,
            // 64 MiB saves a few percent of processor time on a store of 90 MB, and costs 30 MB more than
            // it says.
            cache_bytes: 32 << 20,
        }
    }
}
