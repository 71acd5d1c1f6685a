//! A new store. Until it is finished it says of itself that it is not, and can be created again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::{Doing, OpenError, damaged};
use super::instance::Instance;
use super::journal::Journal;
use super::state::State;
use super::tuning::Tuning;
use super::{BASE_DIR, Embedded, INDEX_DIR, JOURNAL_DIR, NEXT_INDEX_DIR, base, feed_file, files, reached};
use crate::store::Revision;

/// Stands in the directory while a creation is under way: the first file written, the last one removed. It
/// names the store that is being created, so that one that strayed into another cannot wipe it.
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

/// What a store begins with, which is not nothing where it is restored.
pub(super) struct Beginning<F> {
    /// The commit that it is as of.
    pub(super) start: Revision,
    /// Gives its records to the writer of its base.
    pub(super) fill: F,
}

/// Writes the files of a new store, below the marker. What an interrupted creation left is removed.
pub(super) fn lay_out<E, F>(dir: &Path, tuning: &Tuning, beginning: Beginning<F>) -> Result<(), E>
where
    E: From<OpenError>,
    F: FnOnce(&mut base::Writer) -> Result<(), E>,
{
    let Beginning { start, fill } = beginning;
    let instance = match begun(dir)? {
        Some(instance) => instance,
        None => Instance::random().doing("name the store in", dir)?,
    };
    check_ours(dir, instance)?;
    files::replace(dir, MARKER, instance.to_string().as_bytes()).doing("write the marker in", dir)?;
    State::remove(dir).doing("clear", dir)?;
    reached::remove(dir).doing("clear", dir)?;
    feed_file::remove(dir).doing("clear", dir)?;
    for name in [BASE_DIR, JOURNAL_DIR, INDEX_DIR, NEXT_INDEX_DIR] {
        files::remove_dir(&dir.join(name)).doing("clear", dir)?;
    }
    Journal::create(&dir.join(JOURNAL_DIR), instance, start, tuning.segment_bytes)
        .doing("write the journal in", dir)?;
    base::create(&dir.join(BASE_DIR), instance, start, fill)?;
    Ok(files::sync_dir(dir).doing("sync", dir)?)
}

/// The store whose creation was begun in `dir`.
fn begun(dir: &Path) -> Result<Option<Instance>, OpenError> {
    match std::fs::read_to_string(dir.join(MARKER)) {
        Ok(name) => Ok(Instance::parse(&name)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).doing("read the marker in", dir),
    }
}

/// Refuses to clear what an interrupted creation of `instance` cannot have left: another store.
fn check_ours(dir: &Path, instance: Instance) -> Result<(), OpenError> {
    let base_dir = dir.join(BASE_DIR);
    match base::list(&base_dir).doing("list", &base_dir)?.pop() {
        Some((_, base)) if base::instance_of(&base).is_some_and(|found| found != instance) => {
            Err(damaged(&dir.join(MARKER), "it stands beside a store whose creation it does not belong to"))
        }
        _ => Ok(()),
    }
}
