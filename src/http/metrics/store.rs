//! The engine's own counts, read when they are asked for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::samples::Samples;
use crate::store::embedded::{DiskUse, Stats};

type Source = dyn Fn() -> (Stats, Option<DiskUse>) + Send + Sync;

/// Whatever the engine tells of itself.
pub(super) struct Store(Box<Source>);

impl Store {
    pub(super) fn new(source: impl Fn() -> (Stats, Option<DiskUse>) + Send + Sync + 'static) -> Store {
        Store(Box::new(source))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Collector for Store {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (stats, disk) = (self.0)();
        let mut to = Samples(encoder);
        to.counter("coffer_store_commits", "Changes made durable", stats.commits as f64)?;
        to.counter(
            "coffer_store_conflicts",
            "Changes planned anew because another came first",
            stats.conflicts as f64,
        )?;
        to.histogram(
            "coffer_store_sync_duration_seconds",
            "Time that a sync of the journal took",
            &stats.syncs,
        )?;
        to.histogram("coffer_store_commit_batch_size", "Changes that one sync made durable", &stats.groups)?;
        to.level("coffer_store_queue_depth", "Changes waiting to be made durable", stats.queue_depth)?;
        to.level(
            "coffer_store_journal_bytes",
            "Bytes of journal that no base covers yet",
            stats.journal_bytes,
        )?;
        to.level("coffer_store_revision", "The last change's number", stats.last_revision.0)?;
        to.level("coffer_store_cache_bytes", "Memory that the index's cache may take", stats.cache_bytes)?;
        let Some(disk) = disk else { return Ok(()) };
        to.level("coffer_store_size_bytes", "Bytes of all files of the store", disk.used)?;
        to.level("coffer_store_disk_free_bytes", "Bytes free on the store's file system", disk.free)?;
        to.level(
            "coffer_store_disk_reserve_bytes",
            "Bytes that must be free for changes to be taken",
            disk.reserve,
        )
    }
}
