//! Looking whether a store's files are whole, also where nothing has met damage: base and journal of a store that
//! nobody has open, and the index of one that is open against them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::error::{OpenError, UpkeepError};
use super::lock::Lock;
use super::{Embedded, open};
use crate::store::{Revision, Tree};

impl Embedded {
    /// Reads the base and the journal of the store in `dir` to their ends, and changes nothing. Returns the last
    /// commit. What the records hold is not looked at, so no key is needed.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn check_files(dir: &Path) -> Result<Revision, OpenError> {
        super::expect_store(dir)?;
        let lock = Lock::take(dir)?;
        let read = open::read_through(dir);
        lock.give_back();
        read
    }

    /// Compares the index with base and journal, record by record: where they differ, it says how, and the index is
    /// built anew behind that. Only for a store on which nothing is written meanwhile.
    ///
    /// # Errors
    /// Where base or journal cannot be read, or the store is closing.
    pub fn check_index(&self) -> Result<Option<String>, UpkeepError> {
        let snapshot = self.snapshot()?;
        let mut counts = BTreeMap::<Tree, u64>::new();
        let mut differs = None;
        snapshot.read(|tree, key, revision, value| {
            *counts.entry(tree).or_default() += 1;
            let indexed = self.shared.index().and_then(|index| self.unbroken(|| index.get(tree, key)));
            match indexed {
                Ok(Some(found)) if found.revision == revision && found.value == value => {
                    return ControlFlow::Continue(());
                }
                Ok(Some(_)) => differs = Some(format!("a record in {} is another", tree.name())),
                Ok(None) => differs = Some(format!("a record in {} is missing", tree.name())),
                Err(error) => differs = Some(error.to_string()),
            }
            ControlFlow::Break(())
        })?;
        if differs.is_none() {
            differs = self.surplus(&counts)?;
        }
        if let Some(why) = &differs {
            self.waker.suspect(why);
        }
        Ok(differs)
    }

    /// A tree of which the index has another number of records than there are.
    fn surplus(&self, counts: &BTreeMap<Tree, u64>) -> Result<Option<String>, UpkeepError> {
        for tree in Tree::ALL {
            let mut found = 0;
            let index = self.shared.index()?;
            let walked = self.unbroken(|| {
                index.walk(tree, &[], None, |_| {
                    found += 1;
                    ControlFlow::Continue(())
                })
            });
            if let Err(error) = walked {
                return Ok(Some(error.to_string()));
            }
            let expected = counts.get(&tree).copied().unwrap_or(0);
            if found != expected {
                return Ok(Some(format!("{found} records in {}, but there are {expected}", tree.name())));
            }
        }
        Ok(None)
    }
}
