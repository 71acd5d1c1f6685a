//! A new store. Until it is finished it says of itself that it is not, and can be created again.

use std::path::Path;
use std::sync::Arc;

use super::error::{Doing, OpenError};
use super::instance::Instance;
use super::journal::Journal;
use super::state::State;
use super::tuning::Tuning;
use super::{BASE_DIR, Embedded, INDEX_DIR, JOURNAL_DIR, base, files};

/// Stands in the directory while a creation is under way: the first file written, the last one removed.
const MARKER: &str = "creating";

/// What is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// No store.
    Nothing,
    /// A store whose creation was interrupted: nothing in it counts.
    Unfinished,
    /// A store.
    Store,
}

/// A store that is being created. The engine works already, so that what belongs to a store from the
/// start can be written, here and into other files of the directory; all of it counts from
/// [`Creation::finish`] on. If the process ends before, the directory is [`Presence::Unfinished`].
#[derive(Debug)]
#[must_use = "the store does not count before it is finished"]
pub struct Creation {
    engine: Arc<Embedded>,
}

impl Creation {
    /// The engine, to write what the store begins with.
    #[must_use]
    pub fn engine(&self) -> &Arc<Embedded> {
        &self.engine
    }

    /// Makes the store count; durable when this returns. Files that others added to the directory must be
    /// synced by then; their names are synced here.
    ///
    /// # Errors
    /// [`OpenError::Io`]; the store is then unfinished.
    pub fn finish(self) -> Result<Arc<Embedded>, OpenError> {
        let dir = self.engine.dir();
        files::sync_dir(dir).doing("sync", dir)?;
        files::remove_file(&dir.join(MARKER)).doing("remove the marker in", dir)?;
        files::sync_dir(dir).doing("sync", dir)?;
        Ok(self.engine)
    }

    pub(super) fn new(engine: Embedded) -> Creation {
        Creation { engine: Arc::new(engine) }
    }
}

/// What is in `dir`.
pub(super) fn presence(dir: &Path) -> Result<Presence, OpenError> {
    let there = |name: &str| dir.join(name).try_exists().doing("look into", dir);
    if there(MARKER)? {
        return Ok(Presence::Unfinished);
    }
    let any = State::exists(dir).doing("look into", dir)? || there(BASE_DIR)? || there(JOURNAL_DIR)?;
    Ok(if any { Presence::Store } else { Presence::Nothing })
}

/// Writes the files of an empty store, below the marker. What an interrupted creation left is removed.
pub(super) fn lay_out(dir: &Path, tuning: &Tuning) -> Result<(), OpenError> {
    files::replace(dir, MARKER, b"").doing("write the marker in", dir)?;
    State::remove(dir).doing("clear", dir)?;
    for name in [BASE_DIR, JOURNAL_DIR, INDEX_DIR] {
        files::remove_dir(&dir.join(name)).doing("clear", dir)?;
    }
    let instance = Instance::random().doing("name the store in", dir)?;
    Journal::create(&dir.join(JOURNAL_DIR), instance, tuning.segment_bytes)
        .doing("write the journal in", dir)?;
    base::create_empty(&dir.join(BASE_DIR), instance).doing("write the base in", dir)?;
    files::sync_dir(dir).doing("sync", dir)
}
