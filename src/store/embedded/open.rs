//! From files to a running store: decides whether the index can be believed, else builds it anew.
//!
//! Nothing is changed before the journal, and the base if it is needed, were read to their ends and found
//! whole.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::create::{self, Presence};
use super::error::{Doing, OpenError, damaged};
use super::index::{Index, IndexWrite};
use super::instance::Instance;
use super::journal::{self, Journal};
use super::loader::{self, Loader};
use super::logged::Logged;
use super::reached::{self, Reached};
use super::state::{IndexState, State};
use super::tuning::Tuning;
use super::{
    BASE_DIR, INDEX_DIR, JOURNAL_DIR, NEXT_INDEX_DIR, base, feed_file, files, healing, index_files, quiet,
};
use crate::store::Revision;
use crate::store::feed::Feed;

/// A store that was read and is ready to go on.
pub(super) struct Recovered {
    pub(super) instance: Instance,
    pub(super) index: Index,
    pub(super) journal: Journal,
    pub(super) reached: Reached,
    pub(super) feed: Feed,
    pub(super) base: Revision,
    pub(super) base_bytes: u64,
    /// Bytes of journal after the base.
    pub(super) journal_bytes: u64,
}

/// Reads the store in `dir`, whose lock is held.
pub(super) fn recover(dir: &Path, tuning: &Tuning) -> Result<Recovered, OpenError> {
    let state = State::load(dir)?;
    let files = Files::find(dir, state.as_ref())?;
    let feed = feed_file::load(dir, files.instance, files.base);
    let end = files.read_journal(files.base, &mut |revision, writes| {
        feed.add(revision, writes.iter().map(|write| write.change()));
        Ok(())
    })?;
    let last = end.last;
    files.check_journal(last, state.as_ref())?;
    let belief = believe(&files, state.as_ref(), last);
    files.settle(&end)?;
    let reached = Reached::open(dir, files.instance).doing("open the witness in", dir)?;
    let builder = Builder { files: &files, last, tuning };
    let index = builder.index(belief)?;
    let journal_bytes = end.bytes;
    let journal = Journal::resume(&files.journal_dir(), files.instance, end, tuning.segment_bytes)?;
    let base_bytes = std::fs::metadata(&files.base_path).doing("read", &files.base_path)?.len();
    let Files { instance, base, .. } = files;
    Ok(Recovered { instance, index, journal, reached, feed, base, base_bytes, journal_bytes })
}

/// Reads the base and the journal of the store in `dir`, whose lock is held, to their ends, and changes nothing.
/// Returns the last commit.
pub(super) fn read_through(dir: &Path) -> Result<Revision, OpenError> {
    let state = State::load(dir)?;
    let files = Files::find(dir, state.as_ref())?;
    let last = files.read_journal(files.base, &mut |_, _| Ok(()))?.last;
    files.check_journal(last, state.as_ref())?;
    files.check_base(last)?;
    Ok(last)
}

/// The files that are the store.
struct Files {
    dir: PathBuf,
    instance: Instance,
    base: Revision,
    base_path: PathBuf,
}

impl Files {
    fn find(dir: &Path, state: Option<&State>) -> Result<Files, OpenError> {
        let base_dir = dir.join(BASE_DIR);
        let newest = base::list(&base_dir).doing("list", &base_dir)?.pop();
        let (base, base_path) = newest.ok_or_else(|| damaged(&base_dir, "there is no base"))?;
        let instance = match state {
            Some(state) => state.instance,
            None => {
                // A store that is being created has none yet.
                if create::presence(dir)? == Presence::Store {
                    tracing::warn!("the file `state` is missing or damaged; the store is read without it");
                }
                base::instance_of(&base_path)
                    .ok_or_else(|| damaged(&base_path, "its header does not hold"))?
            }
        };
        base::check_header(&base_path, instance, base)?;
        Ok(Files { dir: dir.to_owned(), instance, base, base_path })
    }

    fn journal_dir(&self) -> PathBuf {
        self.dir.join(JOURNAL_DIR)
    }

    fn index_dir(&self) -> PathBuf {
        self.dir.join(INDEX_DIR)
    }

    /// The last commit that the journal must have. Each witness was written only after the journal was
    /// synced.
    fn known(&self, state: Option<&State>) -> Revision {
        let stated = state.map_or(Revision(0), |state| match state.index {
            IndexState::Clean { last, .. } => last,
            IndexState::Open { noted } => noted,
        });
        self.base.max(stated).max(reached::read(&self.dir, self.instance))
    }

    /// Refuses a journal that ends before a commit that something else knows.
    fn check_journal(&self, last: Revision, state: Option<&State>) -> Result<(), OpenError> {
        let known = self.known(state);
        if last < known { Err(self.journal_too_short(last, known)) } else { Ok(()) }
    }

    /// Reads the base to its end. It may show something of commits up to `last`.
    fn check_base(&self, last: Revision) -> Result<(), OpenError> {
        let summary = base::read(&self.base_path, self.instance, self.base, &mut |_| Ok(()))?;
        if summary.reached > last {
            return Err(self.journal_too_short(last, summary.reached));
        }
        Ok(())
    }

    /// The error where the journal ends with `last`, while something else knows of the commit `known`.
    fn journal_too_short(&self, last: Revision, known: Revision) -> OpenError {
        let dir = self.journal_dir();
        let newest = journal::newest(&dir).ok().flatten().unwrap_or(dir);
        damaged(
            &newest,
            format_args!("the journal ends with commit {}, but commit {} was acknowledged", last.0, known.0),
        )
    }

    /// Makes what was read stable, before `state` or the index can say that it was there. So far some of it
    /// may be in memory only: after a kill between a write and its sync, or after a restore.
    fn settle(&self, end: &journal::End) -> Result<(), OpenError> {
        journal::settle(end)?;
        let base_dir = self.dir.join(BASE_DIR);
        base::remove_unfinished(&base_dir).doing("clear", &base_dir)?;
        // The store's own directory too: for the keyring, without which the rest cannot be read.
        for dir in [self.dir.clone(), base_dir, self.journal_dir()] {
            files::sync_files_in(&dir).doing("sync the files in", &dir)?;
        }
        Ok(())
    }

    fn read_journal(
        &self,
        after: Revision,
        visit: &mut journal::Visit<'_>,
    ) -> Result<journal::End, OpenError> {
        journal::read(&self.journal_dir(), self.instance, after, visit)
    }
}

/// What may be expected of the index.
enum Belief {
    /// It has all commits.
    Whole,
    /// Nothing.
    Nothing(Why),
}

/// Why an index is built anew.
enum Why {
    /// It was not closed with the store's last commit.
    Open(&'static str),
    /// Something is wrong with it.
    Damaged(String),
}

fn believe(files: &Files, state: Option<&State>, last: Revision) -> Belief {
    let open = |why| Belief::Nothing(Why::Open(why));
    match state.map(|state| state.index) {
        None => open("nothing says how it was left"),
        // Its files may have been damaged since they were written, which nothing in them would tell.
        Some(IndexState::Open { .. }) => open("the store was not closed"),
        Some(IndexState::Clean { last: closed, .. }) if closed != last => {
            open("the journal goes on after the index was closed")
        }
        Some(IndexState::Clean { crc, .. }) => match index_files::look(&files.index_dir(), crc) {
            Ok(()) => Belief::Whole,
            Err(why) => Belief::Nothing(Why::Damaged(why)),
        },
    }
}

struct Builder<'b> {
    files: &'b Files,
    last: Revision,
    tuning: &'b Tuning,
}

impl Builder<'_> {
    /// An index of all commits.
    fn index(&self, belief: Belief) -> Result<Index, OpenError> {
        // One that a compaction was building, or had built, before the process ended.
        let next = self.files.dir.join(NEXT_INDEX_DIR);
        files::remove_dir(&next).doing("remove", &next)?;
        match belief {
            Belief::Whole => {
                // Before sled opens it, which changes its files.
                self.mark_open()?;
                match self.continue_index() {
                    Ok(index) => Ok(index),
                    Err(why) => self.rebuild(&why),
                }
            }
            Belief::Nothing(why) => self.rebuild(&why),
        }
    }

    fn continue_index(&self) -> Result<Index, Why> {
        let opened = quiet::catch(|| {
            let index = open_index(&self.files.index_dir(), self.tuning).map_err(|e| e.to_string())?;
            let has_format = index.has_format()?;
            Ok((index, has_format))
        });
        match opened.and_then(|opened| opened).map_err(Why::Damaged)? {
            (index, true) => Ok(index),
            (_, false) => Err(Why::Open("its layout is not this release's")),
        }
    }

    /// Writes the state that says: this index is in use.
    fn mark_open(&self) -> Result<(), OpenError> {
        let state = State { instance: self.files.instance, index: IndexState::Open { noted: self.last } };
        state.save(&self.files.dir).doing("write the state in", &self.files.dir)
    }

    /// Builds the index from the base and the journal.
    fn rebuild(&self, why: &Why) -> Result<Index, OpenError> {
        self.files.check_base(self.last)?;
        self.clear(why)?;
        let begun = Instant::now();
        let dir = self.files.index_dir();
        files::create_dir(&dir).doing("create", &dir)?;
        self.mark_open()?;
        let index = open_index(&dir, self.tuning).map_err(|e| unusable(&dir, e))?;
        index.set_format().map_err(|e| unusable(&dir, e))?;
        let (read, applied) = loader::load(&index, |loader| {
            let Files { base_path, instance, base, .. } = self.files;
            let records = load_base(base_path, *instance, *base, loader)?;
            self.files.read_journal(*base, &mut |revision, writes| load_commit(revision, writes, loader))?;
            Ok(records)
        });
        applied.map_err(|why| unusable(&dir, why))?;
        let records = read?;
        if self.last > Revision(0) {
            let milliseconds = begun.elapsed().as_millis();
            tracing::info!(base_records = records, last = self.last.0, milliseconds, "rebuilt the index");
        }
        Ok(index)
    }

    /// Makes room for a new index.
    fn clear(&self, why: &Why) -> Result<(), OpenError> {
        let Files { dir, .. } = self.files;
        let index = self.files.index_dir();
        match why {
            // There is nothing to be learned from it.
            Why::Open(why) => {
                if index.try_exists().doing("read", &index)? {
                    tracing::info!("the index is built anew: {why}");
                }
                files::remove_dir(&index).doing("remove", &index)
            }
            Why::Damaged(why) => {
                let aside = index_files::set_aside(dir, &index).doing("set aside", &index)?;
                let aside = aside.map(|path| path.display().to_string());
                tracing::warn!(aside, "the index is damaged and is built anew: {why}");
                healing::note(dir, &format!("the index was damaged and was built anew: {why}"));
                Ok(())
            }
        }
    }
}

/// Gives a loader the records of a base; returns their number.
pub(super) fn load_base(
    path: &Path,
    instance: Instance,
    start: Revision,
    loader: &mut Loader,
) -> Result<u64, OpenError> {
    let summary = base::read(path, instance, start, &mut |records| {
        records.iter().try_for_each(|record| {
            let write = IndexWrite {
                tree: record.tree,
                key: record.key.0,
                value: Some(record.value.0),
                revision: record.revision,
            };
            loader.add(write).map_err(stopped)
        })
    })?;
    Ok(summary.records)
}

/// Gives a loader the writes of a commit.
pub(super) fn load_commit(
    revision: Revision,
    writes: &[Logged<'_>],
    loader: &mut Loader,
) -> Result<(), OpenError> {
    writes.iter().try_for_each(|write| {
        let (tree, key) = write.key();
        loader.add(IndexWrite { tree, key, value: write.value(), revision }).map_err(stopped)
    })
}

/// Ends the reading. The index's own error is told instead.
fn stopped(_: loader::Stopped) -> OpenError {
    OpenError::Damaged("the index does not take writes".into())
}

fn unusable(dir: &Path, why: impl ToString) -> OpenError {
    OpenError::Io {
        doing: format!("build the index in {}", dir.display()),
        source: std::io::Error::other(why.to_string()),
    }
}

/// Opens sled. Its threads may hold its own lock for a moment after it was closed in this process; no
/// other process can hold it, as the store's lock is ours.
pub(super) fn open_index(dir: &Path, tuning: &Tuning) -> Result<Index, sled::Error> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match Index::open(dir, tuning.cache_bytes) {
            Err(sled::Error::Io(e))
                if e.to_string().contains("acquire lock") && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}
