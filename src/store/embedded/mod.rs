//! The embedded engine: a journal and a base are the store, sled is an index over them.
//!
//! A commit is true once its group's frame is synced to the [`journal`], and visible once it is applied to
//! the [`index`]; in that order, so no reader sees what a power cut could take back. sled is never synced
//! on that way, and believed only as it was closed: else [`open`] builds it anew from the newest [`base`]
//! and the journal since. The base is written by the [`keeper`], in the background, and frees older journal.
//!
//! Reading order: [`committer`] (with [`queue`] before it and [`group`] in it), [`journal`], [`index`],
//! [`keeper`], [`base`], [`open`]. `docs/storage.md` has the formats and what each promise rests on.

mod base;
mod checking;
mod committer;
mod compaction;
mod create;
mod disk;
mod error;
mod feed_file;
mod files;
mod group;
mod healing;
mod index;
mod index_files;
mod instance;
mod journal;
mod keeper;
mod loader;
mod lock;
mod logged;
mod open;
mod queue;
mod quiet;
mod reached;
mod recent;
mod shared;
mod snapshot;
mod state;
mod stats;
mod stored;
mod tuning;

#[cfg(test)]
pub(super) mod tests;

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub use compaction::Compacted;
pub use create::{Creation, Presence};
pub use disk::DiskUse;
pub use error::{OpenError, UpkeepError};
pub use healing::Healing;
pub use snapshot::Snapshot;
pub use stats::{Distribution, Stats};

use super::feed::Feed;
use super::{Batch, BoxFuture, Engine, Error, Record, Revision, Tree};
use committer::Committer;
use create::Beginning;
use error::Doing;
use index::Index;
use keeper::{Keeper, Waker, Work};
use lock::Lock;
use open::Recovered;
use queue::Queue;
use shared::Shared;
use state::{IndexState, State};
use tuning::Tuning;

const BASE_DIR: &str = "base";
const JOURNAL_DIR: &str = "journal";
const INDEX_DIR: &str = "sled";
/// Where a compaction builds the index that takes the place of the one in use. Each takes the name that the
/// other has not; a closed index is always at [`INDEX_DIR`].
const NEXT_INDEX_DIR: &str = "sled.next";

/// An open store in a directory of this machine.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    queue: Queue,
    /// `None` once closed.
    running: Mutex<Option<Running>>,
    work: Arc<Mutex<Work>>,
    waker: Waker,
}

#[derive(Debug)]
struct Running {
    committer: JoinHandle<()>,
    keeper: Keeper,
    /// Last, so that the store is free only when nothing of it is in use.
    lock: Lock,
}

impl Embedded {
    /// What is in `dir`; a directory that is absent holds nothing.
    ///
    /// # Errors
    /// [`OpenError::Io`] where that cannot be told.
    pub fn exists(dir: &Path) -> Result<Presence, OpenError> {
        create::presence(dir)
    }

    /// Begins a new store in `dir`, over what an interrupted creation may have left there.
    ///
    /// # Errors
    /// [`OpenError::Exists`] where a store is; [`OpenError::Held`] where another process is at it.
    pub fn create(dir: &Path) -> Result<Creation, OpenError> {
        Embedded::create_tuned(dir, Tuning::default())
    }

    fn create_tuned(dir: &Path, tuning: Tuning) -> Result<Creation, OpenError> {
        let nothing = Beginning { start: Revision(0), fill: |_: &mut base::Writer| Ok(()) };
        Embedded::begin(dir, tuning, nothing)
    }

    /// Begins a store that has, as of commit `start`, the records that `fill` gives.
    ///
    /// # Errors
    /// Those of [`Embedded::create`], and those of `fill`.
    pub fn restore<E: From<OpenError>>(
        dir: &Path,
        start: Revision,
        fill: impl FnOnce(&mut Restored<'_>) -> Result<(), E>,
    ) -> Result<Creation, E> {
        let fill = |writer: &mut base::Writer| fill(&mut Restored(writer));
        Embedded::begin(dir, Tuning::default(), Beginning { start, fill })
    }

    fn begin<E: From<OpenError>>(
        dir: &Path,
        tuning: Tuning,
        beginning: Beginning<impl FnOnce(&mut base::Writer) -> Result<(), E>>,
    ) -> Result<Creation, E> {
        files::create_dir(dir).doing("create", dir)?;
        let lock = Lock::take(dir)?;
        if create::presence(dir)? == Presence::Store {
            return Err(OpenError::Exists(dir.to_owned()).into());
        }
        files::make_private(dir, &[lock::NAME]).doing("make private", dir)?;
        create::lay_out(dir, &tuning, beginning)?;
        Ok(Creation::new(Embedded::start(dir, lock, tuning)?))
    }

    /// Opens the store in `dir`. Every acknowledged commit is in it, whatever happened to the process or
    /// the machine.
    ///
    /// # Errors
    /// Every variant of [`OpenError`] but `Exists`.
    pub fn open(dir: &Path) -> Result<Embedded, OpenError> {
        Embedded::open_tuned(dir, Tuning::default())
    }

    fn open_tuned(dir: &Path, tuning: Tuning) -> Result<Embedded, OpenError> {
        // Before the lock too: where no store is, not even its lock file should appear.
        expect_store(dir)?;
        let lock = Lock::take(dir)?;
        expect_store(dir)?;
        Embedded::start(dir, lock, tuning)
    }

    fn start(dir: &Path, lock: Lock, tuning: Tuning) -> Result<Embedded, OpenError> {
        let recovered = match open::recover(dir, &tuning) {
            Ok(recovered) => recovered,
            Err(error) => {
                lock.give_back();
                return Err(error);
            }
        };
        let Recovered { instance, index, journal, reached, feed, base, base_bytes, journal_bytes } =
            recovered;
        let shared = Arc::new(Shared::new(dir.to_owned(), instance, tuning, index, feed));
        shared.counters.base_revision.store(base.0, Ordering::Relaxed);
        shared.counters.journal_written.store(journal_bytes, Ordering::Relaxed);
        let (queue, receiver) = Queue::new(Arc::clone(&shared));
        let keeper = Keeper::start(Arc::clone(&shared), queue.clone(), base_bytes)
            .doing("start the keeper of", dir)?;
        let committer = Committer::start(Arc::clone(&shared), receiver, journal, reached, keeper.waker())
            .doing("start the committer of", dir)?;
        let (work, waker) = (keeper.work(), keeper.waker());
        let running = Mutex::new(Some(Running { committer, keeper, lock }));
        Ok(Embedded { shared, queue, running, work, waker })
    }

    /// The identity of the store in `dir`, read without opening it or touching anything.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] where no file says it.
    pub fn instance_in(dir: &Path) -> Result<[u8; 16], OpenError> {
        let base_dir = dir.join(BASE_DIR);
        let newest = base::list(&base_dir).doing("list", &base_dir)?.pop();
        let (_, path) = newest.ok_or_else(|| error::damaged(&base_dir, "there is no base"))?;
        let instance = base::instance_of(&path);
        Ok(instance.ok_or_else(|| error::damaged(&path, "its header does not hold"))?.0)
    }

    /// Who holds the store in `dir`, as it says of itself; `None` where nobody does. Nothing is changed.
    #[must_use]
    pub fn holder(dir: &Path) -> Option<String> {
        lock::holder(dir)
    }

    /// The store's identity: random, and different for every store that was ever created.
    #[must_use]
    pub fn instance(&self) -> [u8; 16] {
        self.shared.instance.0
    }

    /// The store's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Says, to those who find the store in use, who is using it: one line.
    ///
    /// # Errors
    /// What the file system says. The store stays locked.
    pub fn set_holder(&self, line: &str) -> io::Result<()> {
        match &*self.running.lock() {
            Some(running) => running.lock.set_holder(line),
            None => Ok(()),
        }
    }

    /// All records as of now. Blocks while a base is written or the store is compacted.
    ///
    /// # Errors
    /// Where the store's files cannot be read, or the store is closing.
    pub fn snapshot(&self) -> Result<Snapshot, UpkeepError> {
        self.work.lock().snapshot()
    }

    /// Writes the store's files anew from what is live, while reads and commits go on: nothing that was deleted
    /// or replaced before is left in them. Blocks until that is done.
    ///
    /// # Errors
    /// Where it could not be done; nothing is lost by that, and it can be tried again.
    pub fn compact(&self) -> Result<Compacted, UpkeepError> {
        self.work.lock().compact()
    }

    /// The last time that something broken in the store in `dir` was made anew, if ever.
    #[must_use]
    pub fn last_healing(dir: &Path) -> Option<Healing> {
        healing::last(dir)
    }

    /// What was done and where it stands. Cheap.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.read(self.shared.applied(), self.shared.tuning.cache_bytes)
    }

    /// Commits what was queued, then closes the store, so that the next start has nothing to replay.
    /// Reads and commits fail afterwards. Does nothing where the store is closed. Blocks for as long as the
    /// disk takes.
    ///
    /// # Errors
    /// [`OpenError::Io`] where the index could not be closed. Nothing is lost by that: the next start
    /// replays, or builds it anew.
    pub fn close(&self) -> Result<(), OpenError> {
        let Some(running) = self.running.lock().take() else { return Ok(()) };
        let Running { committer, mut keeper, lock } = running;
        self.shared.closed.store(true, Ordering::Release);
        self.queue.close();
        if committer.join().is_err() {
            self.shared.fail("the committer panicked".into());
        }
        keeper.stop();
        let closed = self.shared.take_index().map_or(Ok(()), |index| self.close_index(index));
        drop(lock);
        closed
    }

    fn close_index(&self, index: Index) -> Result<(), OpenError> {
        let Shared { dir, instance, .. } = &*self.shared;
        if self.shared.failure().is_some() || self.shared.suspicion.stands() {
            // The index may have less than the journal, so it is not closed as if it had all.
            return Ok(());
        }
        let last = self.shared.applied();
        let path = dir.join(INDEX_DIR);
        let crc = quiet::catch(|| index.close(&path))
            .unwrap_or_else(|_| Err("it broke".into()))
            .map_err(io::Error::other)
            .doing("close the index in", &path)?;
        let state = State { instance: *instance, index: IndexState::Clean { last, crc } };
        state.save(dir).doing("write the state in", dir)
    }

    /// Reads the index; sled panics on some pages that were damaged underneath it. Its message stays here, as
    /// it may show what a page holds. A broken index is built anew behind whoever met it.
    fn unbroken<T>(&self, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let read = quiet::catch(read)
            .unwrap_or_else(|_| Err(Error::Damaged("index: it broke while it was read".into())));
        if let Err(Error::Damaged(why)) = &read {
            self.waker.suspect(why);
        }
        read
    }

    /// A scan, at once.
    fn scan_now(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        let index = self.shared.index()?;
        self.unbroken(|| {
            index.walk(tree, prefix, after, |record| {
                found.push(record);
                if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        })?;
        Ok(found)
    }
}

impl Engine for Embedded {
    fn get<'a>(&'a self, tree: Tree, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Record>, Error>> {
        Box::pin(async move {
            let index = self.shared.index()?;
            self.unbroken(|| index.get(tree, key))
        })
    }

    fn scan<'a>(
        &'a self,
        tree: Tree,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, Error>> {
        Box::pin(async move { self.scan_now(tree, prefix, after, limit) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Revision, Error>> {
        Box::pin(async move {
            let answer = self.queue.submit(batch)?;
            answer.await.unwrap_or_else(|_| Err(queue::stopped()))
        })
    }

    fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    fn is_writable(&self) -> bool {
        self.shared.unwritable().is_none()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(e) = self.close() {
            tracing::warn!("the store was not closed cleanly: {e}");
        }
    }
}

/// A store that is being restored.
pub struct Restored<'w>(&'w mut base::Writer);

impl Restored<'_> {
    /// Adds a record that commit `revision` had written.
    ///
    /// # Errors
    /// What the file system says.
    pub fn push(&mut self, tree: Tree, key: &[u8], revision: Revision, value: &[u8]) -> io::Result<()> {
        self.0.push(tree, key, revision, value)
    }
}

fn expect_store(dir: &Path) -> Result<(), OpenError> {
    match create::presence(dir)? {
        Presence::Store => Ok(()),
        Presence::Nothing => Err(OpenError::Missing(dir.to_owned())),
        Presence::Unfinished => Err(OpenError::Unfinished(dir.to_owned())),
    }
}
