//! A check-up of the whole store as of one moment: every record, every sealed value, every chain of the trail.

use std::ops::ControlFlow;

use crate::model::Timestamp;
use crate::store::Tree;
use crate::store::embedded::UpkeepError;
use crate::vault::audit::{AuditLinker, BackwardCheck};
use crate::vault::examine::Examiner;
use crate::vault::{Advance, AuditHead, Error, Examined, Opened};

/// What was found. Of each kind of fault the first one met is told.
#[derive(Debug)]
pub struct Checkup {
    /// The records, but for those of the trail; or what is wrong with one, and with how many more.
    pub records: Result<Examined, (Error, u64)>,
    /// How many entries the trail has, and the newest of each chain; or what is wrong with it.
    pub audit: Result<(u64, Vec<AuditHead>), Error>,
    /// The latest time that any record or entry bears.
    pub newest: Option<Timestamp>,
}

impl Opened {
    /// Looks at all that the store has now. `advance` learns how many records are done. Blocks.
    ///
    /// # Errors
    /// Where base or journal cannot be read to their ends.
    pub fn check_up(&self, advance: &mut Advance<'_>) -> Result<Checkup, UpkeepError> {
        let keyring = self.vault.keyring();
        let mut examiner = Examiner::new(keyring);
        let mut trail = BackwardCheck::new(AuditLinker::new(keyring.audit().clone()));
        let (mut looked, mut newest) = (0, None);
        let (mut fault, mut faults, mut broken) = (None, 0, None);
        self.engine.snapshot()?.read(|tree, key, _, value| {
            looked += 1;
            if looked % 1024 == 0 {
                advance(looked, None);
            }
            if tree != Tree::Audit {
                if let Err(error) = examiner.look(tree, key, value) {
                    faults += 1;
                    fault.get_or_insert(error);
                }
            } else if broken.is_none() {
                // What comes after a fault is bound to what was not there.
                match trail.look(key, value) {
                    Ok(created_at) => newest = newest.max(created_at),
                    Err(error) => broken = Some(error),
                }
            }
            ControlFlow::Continue(())
        })?;
        let newest = newest.max(examiner.newest());
        let records = match fault {
            None => examiner.end().map_err(|error| (error, 0)),
            // What is missing then may be missing for that reason.
            Some(error) => Err((error, faults - 1)),
        };
        let (entries, heads) = (trail.entries, std::mem::take(&mut trail.heads));
        let audit = match broken {
            None => trail.end().map(|()| (entries, heads)),
            Some(error) => Err(error),
        };
        Ok(Checkup { records, audit, newest })
    }
}
