//! The thread behind the committer: checkpoints, which note how far the journal reaches, and bases, which
//! free journal. No commit waits for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::base::{self, Summary};
use super::error::UpkeepError;
use super::feed_file;
use super::healing;
use super::journal;
use super::queue::Queue;
use super::quiet;
use super::shared::Shared;
use super::state::{IndexState, State};
use crate::store::{Error, Revision};

/// Wakes the keeper when enough was written.
#[derive(Debug, Clone)]
pub(super) struct Waker {
    desk: Arc<Desk>,
    shared: Arc<Shared>,
}

/// Where the keeper learns what is due.
#[derive(Debug, Default)]
struct Desk {
    called: Mutex<bool>,
    bell: Condvar,
    stop: AtomicBool,
    since_checkpoint: AtomicU64,
    /// Journal beyond which a base is due.
    base_at: AtomicU64,
}

impl Waker {
    /// Counts journal bytes, and wakes the keeper if that makes something due.
    pub(super) fn note(&self, bytes: u64) {
        let before = self.desk.since_checkpoint.fetch_add(bytes, Relaxed);
        let due = self.shared.tuning.checkpoint_bytes;
        // At the crossing only: the keeper need not be told again while it works.
        if before < due && before + bytes >= due || self.desk.base_due(&self.shared) {
            self.call();
        }
    }

    /// Says that a read of the index met something broken.
    pub(super) fn suspect(&self, why: &str) {
        if self.shared.suspicion.raise(why) {
            tracing::warn!("the index is damaged, and will be built anew: {why}");
            self.call();
        }
    }

    fn call(&self) {
        let mut called = self.desk.called.lock();
        if !*called {
            *called = true;
            self.desk.bell.notify_one();
        }
    }
}

impl Desk {
    fn base_due(&self, shared: &Shared) -> bool {
        shared.counters.journal_bytes() > self.base_at.load(Relaxed)
    }

    /// Waits until something may be due. False when it is time to end.
    fn wait(&self, shared: &Shared) -> bool {
        let deadline = Instant::now() + shared.tuning.checkpoint_every;
        let mut called = self.called.lock();
        while !*called {
            if self.bell.wait_until(&mut called, deadline).timed_out() {
                break;
            }
        }
        *called = false;
        !self.stop.load(Relaxed)
    }
}

/// The running keeper.
#[derive(Debug)]
pub(super) struct Keeper {
    waker: Waker,
    work: Arc<Mutex<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the keeper of a store whose newest base has `base_bytes`. The journal was counted before: all
    /// of it is in the index, as after a checkpoint.
    pub(super) fn start(shared: Arc<Shared>, queue: Queue, base_bytes: u64) -> std::io::Result<Keeper> {
        let desk = Arc::new(Desk::default());
        desk.base_at.store(base_at(&shared, base_bytes), Relaxed);
        let work = Arc::new(Mutex::new(Work {
            noted: shared.applied(),
            reached: Revision(0),
            written: shared.counters.journal_written.load(Relaxed),
            weighed: 0,
            desk: Arc::clone(&desk),
            queue,
            shared: Arc::clone(&shared),
        }));
        let waker = Waker { desk, shared };
        let thread = std::thread::Builder::new().name("store-keeper".into()).spawn({
            let (work, waker) = (Arc::clone(&work), waker.clone());
            move || run(&work, &waker)
        })?;
        Ok(Keeper { waker, work, thread: Some(thread) })
    }

    /// What it does, for whoever needs a base or a checkpoint now. One at a time does it.
    pub(super) fn work(&self) -> Arc<Mutex<Work>> {
        Arc::clone(&self.work)
    }

    /// What wakes it.
    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Ends the thread; a base in the making is given up.
    pub(super) fn stop(&mut self) {
        self.waker.desk.stop.store(true, Relaxed);
        self.waker.call();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the store's background thread had panicked");
        }
    }
}

fn base_at(shared: &Shared, base_bytes: u64) -> u64 {
    shared.tuning.base_bytes.max(base_bytes)
}

fn run(work: &Mutex<Work>, waker: &Waker) {
    work.lock().guarded(Work::check_base);
    while waker.desk.wait(&waker.shared) {
        if waker.shared.failure().is_none() {
            let mut work = work.lock();
            work.guarded(Work::work);
            work.guarded(Work::heal);
        }
    }
}

/// What is done behind the committer.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) shared: Arc<Shared>,
    /// For what the committer must do between two groups.
    pub(super) queue: Queue,
    desk: Arc<Desk>,
    /// The commit of the last checkpoint.
    noted: Revision,
    /// The last commit of which the newest base may show something, where that was written here.
    pub(super) reached: Revision,
    /// How much journal there was then.
    written: u64,
    /// How large the index was when that was last compared with a new one, or when it was such a one.
    pub(super) weighed: u64,
}

impl Work {
    /// Whether it is time to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.desk.stop.load(Relaxed)
    }

    fn guarded(&mut self, work: fn(&mut Work) -> Result<(), String>) {
        let done = quiet::catch(|| work(self)).unwrap_or_else(|_| {
            self.put_off_base();
            self.shared.suspicion.raise("index: it broke while a base was read from it");
            Err("no checkpoint or base could be made: the index broke while it was read".into())
        });
        if let Err(e) = done {
            // Neither is needed for what was acknowledged: the journal is there, and grows.
            tracing::warn!("{e}");
        }
    }

    /// Reads the base to its end, as an open that believes the index does not: damage found while the
    /// index is whole is repaired by a new base, damage found when it is lost is not.
    fn check_base(&mut self) -> Result<(), String> {
        let start = Revision(self.shared.counters.base_revision.load(Relaxed));
        let path = base::path(&self.shared.dir.join(super::BASE_DIR), start);
        let read = base::verify(&path, self.shared.instance, start, &self.desk.stop);
        let Err(UpkeepError::Verify(error)) = read else { return Ok(()) };
        tracing::warn!("{error}; the index is whole, so a new base is written");
        self.checkpoint()?;
        match self.base() {
            Ok(()) => {
                healing::note(&self.shared.dir, &format!("{error}; a new base was written"));
                Ok(())
            }
            Err(UpkeepError::Stopped) => Ok(()),
            Err(e) => Err(format!("the damaged base could not be replaced: {e}")),
        }
    }

    fn work(&mut self) -> Result<(), String> {
        if self.shared.applied() > self.noted {
            self.checkpoint().map_err(|e| format!("no checkpoint could be made: {e}"))?;
        }
        if self.desk.base_due(&self.shared) {
            match self.base() {
                Ok(()) | Err(UpkeepError::Stopped) => {}
                Err(e) => {
                    self.put_off_base();
                    if let UpkeepError::Store(Error::Damaged(why)) = &e {
                        self.shared.suspicion.raise(why);
                    }
                    return Err(format!("no base could be written, so the journal grows: {e}"));
                }
            }
        }
        self.compact_if_due()
    }

    /// After a failure: tries not at every commit from now on, but after as much journal again.
    fn put_off_base(&self) {
        let due = self.desk.base_at.load(Relaxed).max(self.shared.counters.journal_bytes());
        self.desk.base_at.store(due.saturating_mul(2), Relaxed);
    }

    /// Notes how far the journal has got.
    pub(super) fn checkpoint(&mut self) -> Result<(), String> {
        let shared = &self.shared;
        // In this order: what is written between the two is counted once more, rather than not at all.
        let written = shared.counters.journal_written.load(Relaxed);
        let revision = shared.applied();
        self.desk.since_checkpoint.store(0, Relaxed);
        let state = State { instance: shared.instance, index: IndexState::Open { noted: revision } };
        state.save(&shared.dir).map_err(|e| e.to_string())?;
        self.noted = revision;
        self.written = written;
        Ok(())
    }

    /// Writes a base that starts at the last checkpoint.
    pub(super) fn base(&mut self) -> Result<(), UpkeepError> {
        let begun = Instant::now();
        let start = self.noted;
        let dir = self.shared.dir.join(super::BASE_DIR);
        // Before the base: one that is there joins it, whatever happens in between.
        if let Err(e) = feed_file::save(&self.shared.dir, self.shared.instance, &self.shared.feed) {
            tracing::warn!("the latest commits could not be kept for who follows the store: {e}");
        }
        let summary = {
            let index = self.shared.index()?;
            base::write(&dir, self.shared.instance, start, &index, &self.desk.stop)?
        };
        self.reached = summary.reached;
        self.shared.counters.base_revision.store(start.0, Relaxed);
        self.shared.counters.journal_at_base.store(self.written, Relaxed);
        self.desk.base_at.store(base_at(&self.shared, summary.bytes), Relaxed);
        if let Err(e) = free(&self.shared.dir, start) {
            // The base stands. What it replaces takes space until the next one frees it too.
            tracing::warn!("what a new base replaces could not be deleted: {e}");
        }
        report(&summary, begun);
        Ok(())
    }
}

/// Deletes what a base at `start` makes superfluous.
pub(super) fn free(dir: &Path, start: Revision) -> std::io::Result<()> {
    base::free(&dir.join(super::BASE_DIR), start)?;
    journal::free(&dir.join(super::JOURNAL_DIR), start)
}

fn report(base: &Summary, begun: Instant) {
    tracing::info!(
        revision = base.start.0,
        records = base.records,
        bytes = base.bytes,
        milliseconds = begun.elapsed().as_millis(),
        "wrote a base"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::block_on;
    use crate::store::embedded::tests::empty_store;
    use crate::store::embedded::{BASE_DIR, Embedded};
    use crate::store::{Batch, Engine, Tree};

    /// The keeper's work, for a test to do: the store's own keeper has none.
    fn work(store: &Embedded) -> Work {
        let shared = Arc::clone(&store.shared);
        Work {
            noted: shared.applied(),
            reached: Revision(0),
            queue: store.queue.clone(),
            desk: Arc::default(),
            written: 0,
            weighed: 0,
            shared,
        }
    }

    fn commit(store: &Embedded, batch: Batch) {
        block_on(store.commit(batch)).unwrap();
    }

    #[test]
    fn a_base_names_the_commit_that_shows_only_in_what_it_deleted() {
        let (store, dir) = empty_store();
        commit(&store, Batch::new().put(Tree::Values, "k", "v"));
        let mut work = work(&store);
        commit(&store, Batch::new().delete(Tree::Values, "k"));
        work.base().unwrap();
        let path = base::path(&dir.path().join(BASE_DIR), Revision(1));
        let base = base::read(&path, store.shared.instance, Revision(1), &mut |_| Ok(())).unwrap();
        assert_eq!((base.records, base.reached), (0, Revision(2)));
    }

    #[test]
    fn a_base_that_is_placed_is_no_failure_whatever_stays_beside_it() {
        let (store, dir) = empty_store();
        commit(&store, Batch::new().put(Tree::Values, "k", "v"));
        let old = base::path(&dir.path().join(BASE_DIR), Revision(0));
        std::fs::remove_file(&old).unwrap();
        // What looks like an older base, and cannot be deleted like one.
        std::fs::create_dir(&old).unwrap();
        work(&store).base().unwrap();
        assert!(old.exists());
        assert_eq!(store.stats().base_revision, Revision(1));
    }

    #[test]
    fn a_base_is_not_read_back_when_it_is_time_to_stop() {
        let (store, dir) = empty_store();
        commit(&store, Batch::new().put(Tree::Values, "k", "v"));
        let mut work = work(&store);
        work.base().unwrap();
        let path = base::path(&dir.path().join(BASE_DIR), Revision(1));
        let verify = |stop| base::verify(&path, store.shared.instance, Revision(1), &AtomicBool::new(stop));
        assert!(verify(false).is_ok());
        assert!(matches!(verify(true), Err(UpkeepError::Stopped)));
        work.desk.stop.store(true, Relaxed);
        assert!(work.check_base().is_ok());
    }
}
