//! Checking chains whose records come in the order of their keys, newest first, as in a backup.

use std::collections::HashMap;

use crate::model::{AuditCheckpoint, AuditEntry, Timestamp};
use crate::store::chain::{self, Run, Tag};
use crate::store::key::{self, AuditPlace};
use crate::store::{self, record};
use crate::vault::Error;
use crate::vault::audit::check::{ChainCheck, Fault};
use crate::vault::audit::text::hex;
use crate::vault::audit::{AuditHead, AuditLinker};

/// Looks at every record of the tree of the trail.
pub(in crate::vault) struct BackwardCheck {
    linker: AuditLinker,
    /// By chain, the entry that was looked at last, whose binding the next one tells.
    oldest: HashMap<Vec<u8>, Link>,
    checkpoints: HashMap<Vec<u8>, AuditCheckpoint>,
    pub(in crate::vault) entries: u64,
    /// The newest entry of each chain.
    pub(in crate::vault) heads: Vec<AuditHead>,
}

struct Link {
    number: u64,
    entry: Vec<u8>,
    tag: Tag,
}

impl BackwardCheck {
    pub(in crate::vault) fn new(linker: AuditLinker) -> BackwardCheck {
        let (oldest, checkpoints, heads) = Default::default();
        BackwardCheck { linker, oldest, checkpoints, entries: 0, heads }
    }

    /// Takes the next record. Says when it was written, where it is an entry.
    ///
    /// # Errors
    /// Where it, or the one before it, was changed, moved or taken out.
    pub(in crate::vault) fn look(&mut self, at: &[u8], value: &[u8]) -> Result<Option<Timestamp>, Error> {
        let name = match key::audit_place(at)? {
            AuditPlace::Checkpoint(chain) => {
                self.checkpoints.insert(chain, record::decode(value)?);
                return Ok(None);
            }
            AuditPlace::View => return Run::read(at, value).map(|_| None).map_err(Error::from),
            AuditPlace::Chain(chain) => chain.to_vec(),
        };
        let number = chain::number(at)?;
        let (entry, tag) = chain::split(value)?;
        let created_at = record::decode::<AuditEntry>(entry)?.created_at;
        self.entries += 1;
        let link = Link { number, entry: entry.to_vec(), tag: *tag };
        if let Some(later) = self.oldest.get(&name) {
            let mut check = ChainCheck::after(&name, number, *tag);
            check.next(&self.linker, later.number, &later.entry, &later.tag).map_err(broken)?;
        } else {
            let chain = String::from_utf8_lossy(&name).trim_end_matches('/').to_owned();
            self.heads.push(AuditHead { chain, seq: number, hash: hex(tag) });
        }
        self.oldest.insert(name, link);
        Ok(Some(created_at))
    }

    /// Checks where each chain begins, when no more come.
    ///
    /// # Errors
    /// Where a beginning was changed or taken away.
    pub(in crate::vault) fn end(self) -> Result<(), Error> {
        for (name, first) in &self.oldest {
            let mut check =
                ChainCheck::begin(&self.linker, name, self.checkpoints.get(name)).map_err(broken)?;
            check.next(&self.linker, first.number, &first.entry, &first.tag).map_err(broken)?;
        }
        match self.checkpoints.keys().find(|name| !self.oldest.contains_key(*name)) {
            Some(name) => {
                let name = String::from_utf8_lossy(name).into_owned();
                Err(store::Error::Damaged(format!("chain {name} has a checkpoint and no entry")).into())
            }
            None => Ok(()),
        }
    }
}

fn broken(fault: Fault) -> Error {
    store::Error::Damaged(format!("audit trail: {fault}")).into()
}
