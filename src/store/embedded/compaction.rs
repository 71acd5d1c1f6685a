//! A store's files, written anew from what is live, while reads and commits go on.
//!
//! 1. The committer goes on in a new segment of the journal, so that all before it can go.
//! 2. A base is written of what the index holds; the older base and the journal before it are deleted.
//! 3. A new index is built beside the one in use, from that base and the journal since: as at a start.
//! 4. Between two groups, the committer brings it up to the last commit and gives it to the readers. Only this
//!    holds up commits, for the few that came since it was last brought up.
//! 5. The old index is closed and its files are deleted, and with them those that were set aside as damaged.
//!
//! A crash leaves base and journal as they are at any moment of a store's life, and an index that is not
//! believed: the next start removes both and builds one. Whatever fails leaves the index in use as it was.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::error::UpkeepError;
use super::index::Index;
use super::keeper::Work;
use super::loader;
use super::open::{load_base, load_commit, open_index};
use super::queue::Errand;
use super::shared::Shared;
use super::{
    BASE_DIR, INDEX_DIR, JOURNAL_DIR, NEXT_INDEX_DIR, base, files, healing, index_files, journal, quiet,
};
use crate::store::{Error, Revision};

/// What a compaction did.
#[derive(Debug, Clone, Copy)]
pub struct Compacted {
    /// Records that the store has.
    pub records: u64,
    /// Bytes of all its files before.
    pub bytes_before: u64,
    /// The same after.
    pub bytes_after: u64,
    /// How long it took.
    pub took: Duration,
}

/// Commits that the last step may have to bring in; more are brought in before it.
const FEW: u64 = 2_000;
/// How often that is tried. Writers that are faster than this are held up for longer.
const ROUNDS: usize = 16;

impl Work {
    /// Compacts the store.
    pub(super) fn compact(&mut self) -> Result<Compacted, UpkeepError> {
        let begun = Instant::now();
        let dir = self.shared.dir.clone();
        let bytes_before = bytes_in(&dir)?;
        self.queue.send(Errand::LeaveSegment)?;
        self.checkpoint().map_err(std::io::Error::other)?;
        self.base()?;
        let records = self.renew_index(files::remove_dir)?;
        index_files::remove_aside(&dir)?;
        files::sync_dir(&dir)?;
        let done = Compacted { records, bytes_before, bytes_after: bytes_in(&dir)?, took: begun.elapsed() };
        tracing::info!(
            records,
            bytes_before,
            bytes_after = done.bytes_after,
            milliseconds = done.took.as_millis(),
            "compacted the store"
        );
        Ok(done)
    }

    /// Builds the index anew where it has grown to much more than a new one would be: sled frees what was replaced
    /// late, or never.
    pub(super) fn compact_if_due(&mut self) -> Result<(), String> {
        let io = |e: std::io::Error| e.to_string();
        let shared = &self.shared;
        let index = shared.index().map_err(|e| e.to_string())?;
        let before = bytes_in(index.dir()).map_err(io)?;
        // To know takes a while, so it is asked again only once there is half as much more.
        if before <= shared.tuning.index_bytes.max(self.weighed.saturating_mul(3) / 2) {
            return Ok(());
        }
        self.weighed = before;
        if before <= index.fresh_bytes().map_err(|e| e.to_string())?.saturating_mul(4) / 3 {
            return Ok(());
        }
        drop(index);
        let begun = Instant::now();
        match self.renew_index(files::remove_dir) {
            Ok(records) => {
                let milliseconds = begun.elapsed().as_millis();
                let index = self.shared.index().map_err(|e| e.to_string())?;
                self.weighed = bytes_in(index.dir()).map_err(io)?;
                tracing::info!(records, before, after = self.weighed, milliseconds, "compacted the index");
                Ok(())
            }
            Err(UpkeepError::Stopped) => Ok(()),
            Err(e) => Err(format!("the index could not be compacted: {e}")),
        }
    }

    /// Builds the index anew where a read met something broken in it.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        let Some(why) = self.shared.suspicion.broken() else { return Ok(()) };
        let store = self.shared.dir.clone();
        let healed = self.renew_index(|old| index_files::set_aside(&store, old).map(drop));
        self.shared.suspicion.settle(healed.is_ok());
        match healed {
            Ok(records) => {
                tracing::warn!(records, "the index was damaged and was built anew: {why}");
                healing::note(&store, &format!("the index was damaged and was built anew: {why}"));
                Ok(())
            }
            Err(UpkeepError::Stopped) => Ok(()),
            Err(e) => Err(format!("the damaged index could not be built anew, a restart has to: {e}")),
        }
    }

    /// Builds an index from base and journal, and has it used. `leave` does away with the files of the one
    /// before. Returns how many records the base had.
    fn renew_index(&self, leave: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<u64, UpkeepError> {
        let dir = &self.shared.dir;
        // The one in use has one of the two names.
        let next = match self.shared.index()?.dir().ends_with(INDEX_DIR) {
            true => dir.join(NEXT_INDEX_DIR),
            false => dir.join(INDEX_DIR),
        };
        let replaced = self.build(&next);
        if replaced.is_err() {
            files::remove_dir(&next)?;
        }
        let (old, records) = replaced?;
        let old_dir = old.dir().to_owned();
        // sled writes when it is let go, and panics where it cannot.
        let _ = quiet::catch(|| drop(old));
        leave(&old_dir)?;
        Ok(records)
    }

    /// Builds an index in `dir` and has it used. Returns the one that was used before, and how many records
    /// the base had.
    fn build(&self, dir: &Path) -> Result<(Index, u64), UpkeepError> {
        let shared = &self.shared;
        files::remove_dir(dir)?;
        files::create_dir(dir)?;
        let broken = |e: sled::Error| UpkeepError::Index(e.to_string());
        let index = open_index(dir, &shared.tuning).map_err(broken)?;
        index.set_format().map_err(broken)?;
        let start = Revision(shared.counters.base_revision.load(Relaxed));
        let base = base::path(&shared.dir.join(BASE_DIR), start);
        let (read, applied) = loader::load(&index, |loader| load_base(&base, shared.instance, start, loader));
        applied.map_err(UpkeepError::Index)?;
        let records = read?;
        let mut has = start;
        for _ in 0..ROUNDS {
            if self.is_stopped() {
                return Err(UpkeepError::Stopped);
            }
            let last = self.settled()?;
            catch_up(shared, &index, has, last)?;
            let behind = last.0 - has.0;
            has = last;
            if behind <= FEW {
                break;
            }
        }
        let old = self.queue.send(|reply| Errand::Replace(Box::new(index), has, reply))?;
        Ok((old, records))
    }
}

/// Brings the commits after `has` up to `last`, all of which are in the journal, into an index that nobody reads.
pub(super) fn catch_up(shared: &Shared, index: &Index, has: Revision, last: Revision) -> Result<(), Error> {
    let journal = shared.dir.join(JOURNAL_DIR);
    let (read, applied) = loader::load(index, |loader| {
        journal::read_range(&journal, shared.instance, has, last, &mut |revision, writes| {
            load_commit(revision, writes, loader)
        })
    });
    applied.map_err(|why| Error::Unavailable(format!("no new index could be built: {why}")))?;
    read.map_err(|error| Error::Damaged(error.to_string()))
}

/// The bytes that all files below `dir` take on disk.
fn bytes_in(dir: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    let mut dirs: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => dirs.push(entry.path()),
                Ok(metadata) => bytes += metadata.blocks() * 512,
                // Deleted meanwhile.
                Err(_) => {}
            }
        }
    }
    Ok(bytes)
}
