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
use super::loader::Loader;
use super::state::{IndexState, State};
use super::tuning::Tuning;
use super::{BASE_DIR, INDEX_DIR, JOURNAL_DIR, base, files, index_files, quiet};
use crate::store::Revision;

/// A store that was read and is ready to go on.
pub(super) struct Recovered {
    pub(super) instance: Instance,
    pub(super) index: Index,
    pub(super) journal: Journal,
    pub(super) last: Revision,
    pub(super) base: Revision,
    pub(super) base_bytes: u64,
    /// Bytes of journal after the base.
    pub(super) journal_bytes: u64,
}

/// Reads the store in `dir`, whose lock is held.
pub(super) fn recover(dir: &Path, tuning: &Tuning) -> Result<Recovered, OpenError> {
    let state = State::load(dir)?;
    let files = Files::find(dir, state.as_ref())?;
    let end = files.read_journal(files.base, &mut |_, _| Ok(()))?;
    let last = end.last;
    if last < files.base {
        return Err(files.journal_too_short(last, files.base));
    }
    let belief = believe(&files, state.as_ref(), last)?;
    files.settle(&end)?;
    let builder = Builder { files: &files, last, tuning };
    let index = builder.index(belief)?;
    let journal_bytes = end.bytes;
    let journal = Journal::resume(&files.journal_dir(), files.instance, end, tuning.segment_bytes)?;
    let base_bytes = std::fs::metadata(&files.base_path).doing("read", &files.base_path)?.len();
    let Files { instance, base, .. } = files;
    Ok(Recovered { instance, index, journal, last, base, base_bytes, journal_bytes })
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

fn believe(files: &Files, state: Option<&State>, last: Revision) -> Result<Belief, OpenError> {
    let open = |why| Ok(Belief::Nothing(Why::Open(why)));
    let Some(state) = state else { return open("nothing says how it was left") };
    let (IndexState::Clean { last: known, .. } | IndexState::Open { noted: known }) = state.index;
    if last < known {
        // Both are only ever written after the journal was synced.
        return Err(files.journal_too_short(last, known));
    }
    match state.index {
        // Its files may have been damaged since they were written, which nothing in them would tell.
        IndexState::Open { .. } => open("the store was not closed"),
        IndexState::Clean { .. } if last != known => open("the journal goes on after the index was closed"),
        IndexState::Clean { crc, .. } => Ok(match index_files::look(&files.index_dir(), crc) {
            Ok(()) => Belief::Whole,
            Err(why) => Belief::Nothing(Why::Damaged(why)),
        }),
    }
}

/// Why an index that was believed did not turn out well.
enum Disappointment {
    Index(String),
    Store(OpenError),
}

struct Builder<'b> {
    files: &'b Files,
    last: Revision,
    tuning: &'b Tuning,
}

impl Builder<'_> {
    /// An index of all commits.
    fn index(&self, belief: Belief) -> Result<Index, OpenError> {
        let why = match belief {
            Belief::Whole => match self.continue_index() {
                Ok(index) => return Ok(index),
                Err(Disappointment::Store(error)) => return Err(error),
                Err(Disappointment::Index(why)) => Why::Damaged(why),
            },
            Belief::Nothing(why) => {
                self.ask_for_witness()?;
                why
            }
        };
        self.rebuild(&why)
    }

    fn continue_index(&self) -> Result<Index, Disappointment> {
        let dir = self.files.index_dir();
        // Before sled opens it, which changes its files.
        self.mark_open().map_err(Disappointment::Store)?;
        let index = quiet::catch(|| {
            let index = open_index(&dir, self.tuning).map_err(|e| e.to_string())?;
            match index.applied(self.files.instance)? {
                applied if applied == self.last => Ok(index),
                applied => Err(format!("it has commit {}, where {} was expected", applied.0, self.last.0)),
            }
        });
        index.and_then(|opened| opened).map_err(Disappointment::Index)
    }

    /// An index that is not believed can still tell of a commit that the journal lost: it only ever has what
    /// was synced to the journal before.
    fn ask_for_witness(&self) -> Result<(), OpenError> {
        let dir = self.files.index_dir();
        if !dir.try_exists().doing("read", &dir)? {
            return Ok(());
        }
        let reached = quiet::catch(|| {
            let index = open_index(&dir, self.tuning).map_err(|e| e.to_string())?;
            let applied = index.applied(self.files.instance)?;
            Ok(index.reached()?.max(applied))
        });
        // What does not open says nothing.
        match reached.and_then(|reached: Result<Revision, String>| reached) {
            Ok(reached) if reached > self.last => Err(self.files.journal_too_short(self.last, reached)),
            _ => Ok(()),
        }
    }

    /// Writes the state that says: this index is in use.
    fn mark_open(&self) -> Result<(), OpenError> {
        let state = State { instance: self.files.instance, index: IndexState::Open { noted: self.last } };
        state.save(&self.files.dir).doing("write the state in", &self.files.dir)
    }

    fn replay(&self, index: &Index, after: Revision) -> Result<(), Disappointment> {
        if after < self.last {
            tracing::info!(from = after.0 + 1, to = self.last.0, "replaying the journal");
        }
        let mut loader = Loader::new(index);
        let mut failed = None;
        let read = self.files.read_journal(after, &mut |revision, writes| {
            for write in writes {
                let (tree, key) = write.key();
                let write = IndexWrite { tree, key, value: write.value(), revision };
                loader.add(write).map_err(|why| {
                    failed = Some(why);
                    OpenError::Damaged("the index does not take writes".into())
                })?;
            }
            Ok(())
        });
        if let Some(why) = failed {
            return Err(Disappointment::Index(why));
        }
        read.map_err(Disappointment::Store)?;
        loader.finish().map_err(Disappointment::Index)
    }

    /// Builds the index from the base and the journal.
    fn rebuild(&self, why: &Why) -> Result<Index, OpenError> {
        self.check_base()?;
        self.clear(why)?;
        let begun = Instant::now();
        let dir = self.files.index_dir();
        files::create_dir(&dir).doing("create", &dir)?;
        self.mark_open()?;
        let index = open_index(&dir, self.tuning).map_err(|e| unusable(&dir, e))?;
        index.set_instance(self.files.instance).map_err(|e| unusable(&dir, e))?;
        let records = self.load_base(&index)?;
        match self.replay(&index, self.files.base) {
            Ok(()) => {}
            Err(Disappointment::Store(error)) => return Err(error),
            Err(Disappointment::Index(why)) => return Err(unusable(&dir, why)),
        }
        if self.last > Revision(0) {
            let milliseconds = begun.elapsed().as_millis();
            tracing::info!(base_records = records, last = self.last.0, milliseconds, "rebuilt the index");
        }
        Ok(index)
    }

    fn check_base(&self) -> Result<(), OpenError> {
        let Files { base_path, instance, base, .. } = self.files;
        let summary = base::read(base_path, *instance, *base, &mut |_| Ok(()))?;
        if summary.reached > self.last {
            return Err(self.files.journal_too_short(self.last, summary.reached));
        }
        Ok(())
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
                Ok(())
            }
        }
    }

    fn load_base(&self, index: &Index) -> Result<u64, OpenError> {
        let Files { base_path, instance, base, .. } = self.files;
        let dir = self.files.index_dir();
        let mut loader = Loader::new(index);
        let summary = base::read(base_path, *instance, *base, &mut |records| {
            records.iter().try_for_each(|record| {
                let write = IndexWrite {
                    tree: record.tree,
                    key: record.key.0,
                    value: Some(record.value.0),
                    revision: record.revision,
                };
                loader.add(write).map_err(|why| unusable(&dir, why))
            })
        })?;
        loader.finish().map_err(|why| unusable(&dir, why))?;
        Ok(summary.records)
    }
}

fn unusable(dir: &Path, why: impl ToString) -> OpenError {
    OpenError::Io {
        doing: format!("build the index in {}", dir.display()),
        source: std::io::Error::other(why.to_string()),
    }
}

/// Opens sled. Its threads may hold its own lock for a moment after it was closed in this process; no
/// other process can hold it, as the store's lock is ours.
fn open_index(dir: &Path, tuning: &Tuning) -> Result<Index, sled::Error> {
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
