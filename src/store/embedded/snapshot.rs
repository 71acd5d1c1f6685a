//! All records as of one commit, read while the store goes on.
//!
//! The newest base and the journal after it are the store, so they are all that is read: the index is not
//! asked, no commit waits, and whoever takes the records may be slow. The base is held open, so a newer one
//! may replace it meanwhile.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::base::{self, Reader};
use super::error::{OpenError, UpkeepError, damaged};
use super::instance::Instance;
use super::keeper::Work;
use super::{BASE_DIR, JOURNAL_DIR, journal};
use crate::store::{Revision, Tree};

/// Journal that may be held in memory. More of it is turned into a base first, where there is room for one.
const OVERLAY_BYTES: u64 = 16 << 20;

type Place = (Tree, Vec<u8>);

/// All records as of one commit.
#[derive(Debug)]
pub struct Snapshot {
    revision: Revision,
    instance: Instance,
    start: Revision,
    path: PathBuf,
    base: Reader,
    /// What the commits after the base left under each key that they touched.
    overlay: BTreeMap<Place, Option<(Revision, Vec<u8>)>>,
}

impl Snapshot {
    /// The commit that it is as of.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Visits every record, in the order of trees and keys, until told to stop. Returns whether all were taken.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] where the base is.
    pub fn read(
        self,
        visit: impl FnMut(Tree, &[u8], Revision, &[u8]) -> ControlFlow<()>,
    ) -> Result<bool, OpenError> {
        let Snapshot { instance, start, path, base, overlay, .. } = self;
        let mut merge = Merge { later: overlay.into_iter().peekable(), visit };
        let mut all = true;
        let read = base::read_opened(base, &path, instance, start, &mut |records| {
            for record in records {
                if merge.take(record.tree, record.key.0, record.revision, record.value.0).is_break() {
                    all = false;
                    // Never shown: it only ends the reading.
                    return Err(damaged(&path, "it was not read to its end"));
                }
            }
            Ok(())
        });
        if !all {
            return Ok(false);
        }
        read?;
        Ok(merge.rest().is_continue())
    }
}

/// Merges what the base has with what came later.
struct Merge<I: Iterator, F> {
    later: Peekable<I>,
    visit: F,
}

impl<I, F> Merge<I, F>
where
    I: Iterator<Item = (Place, Option<(Revision, Vec<u8>)>)>,
    F: FnMut(Tree, &[u8], Revision, &[u8]) -> ControlFlow<()>,
{
    fn take(&mut self, tree: Tree, key: &[u8], revision: Revision, value: &[u8]) -> ControlFlow<()> {
        let before = |place: &Place| (place.0, place.1.as_slice()) < (tree, key);
        while let Some((place, left)) = self.later.next_if(|(place, _)| before(place)) {
            self.give(&place, left)?;
        }
        match self.later.next_if(|(place, _)| place.0 == tree && place.1 == key) {
            Some((place, left)) => self.give(&place, left),
            None => (self.visit)(tree, key, revision, value),
        }
    }

    fn give(&mut self, place: &Place, left: Option<(Revision, Vec<u8>)>) -> ControlFlow<()> {
        match left {
            Some((revision, value)) => (self.visit)(place.0, &place.1, revision, &value),
            None => ControlFlow::Continue(()),
        }
    }

    fn rest(mut self) -> ControlFlow<()> {
        while let Some((place, left)) = self.later.next() {
            self.give(&place, left)?;
        }
        ControlFlow::Continue(())
    }
}

impl Work {
    /// A snapshot of now.
    pub(super) fn snapshot(&mut self) -> Result<Snapshot, UpkeepError> {
        if let Some(error) = self.shared.failure() {
            // What the journal has beyond the last commit is not known then.
            return Err(error.into());
        }
        if self.shared.counters.journal_bytes() > OVERLAY_BYTES {
            self.checkpoint().map_err(std::io::Error::other)?;
            match self.base() {
                Ok(()) => {}
                Err(UpkeepError::Io(error)) => {
                    tracing::warn!(
                        "the journal is read instead of a new base, which could not be written: {error}"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        let (dir, instance) = (&self.shared.dir, self.shared.instance);
        let start = Revision(self.shared.counters.base_revision.load(Relaxed));
        let path = base::path(&dir.join(BASE_DIR), start);
        let base = Reader::open(&path)?;
        let revision = self.settled()?;
        let mut overlay = BTreeMap::new();
        journal::read_range(&dir.join(JOURNAL_DIR), instance, start, revision, &mut |revision, writes| {
            for write in writes {
                let (tree, key) = write.key();
                overlay.insert((tree, key.to_vec()), write.value().map(|value| (revision, value.to_vec())));
            }
            Ok(())
        })?;
        Ok(Snapshot { revision, instance, start, path, base, overlay })
    }

    /// The last commit, which the newest base shows nothing beyond.
    pub(super) fn settled(&self) -> Result<Revision, UpkeepError> {
        loop {
            let applied = self.shared.applied();
            if applied >= self.reached {
                return Ok(applied);
            }
            if let Some(error) = self.shared.failure() {
                return Err(error.into());
            }
            // The group that the base has a part of is about to be applied to its end.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
