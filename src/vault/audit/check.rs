//! Whether a chain is as it was written: each entry in its place, and bound to the one before it.

use std::fmt;

use crate::model::AuditCheckpoint;
use crate::store::chain::{Linker, Tag};
use crate::vault::audit::AuditLinker;
use crate::vault::audit::prune::tag_before;

/// A chain that is walked from its oldest entry on.
#[derive(Debug, Clone)]
pub(super) struct ChainCheck {
    chain: Vec<u8>,
    number: u64,
    tag: Tag,
}

/// What is wrong with a chain, at its first entry where something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The chain: an organization's id, or `store`.
    pub chain: String,
    /// The entry's number.
    pub number: u64,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What can be wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Its hash is not that of its content after the entry before it.
    Changed,
    /// Where it must stand, the entry with this number does.
    Elsewhere(u64),
    /// Nothing stands where it must.
    Missing,
    /// The checkpoint that speaks of it was not made for this chain.
    Checkpoint,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { chain, number, kind } = self;
        match kind {
            FaultKind::Changed => write!(f, "entry {number} of chain {chain} was changed"),
            FaultKind::Elsewhere(other) => {
                write!(
                    f,
                    "entry {number} of chain {chain} was removed or moved: entry {other} is in its place"
                )
            }
            FaultKind::Missing => write!(f, "entry {number} of chain {chain} was removed"),
            FaultKind::Checkpoint => {
                write!(f, "the checkpoint of chain {chain}, at entry {number}, was changed")
            }
        }
    }
}

impl ChainCheck {
    /// Begins after what was pruned.
    pub(super) fn begin(
        linker: &AuditLinker,
        chain: &[u8],
        checkpoint: Option<&AuditCheckpoint>,
    ) -> Result<ChainCheck, Fault> {
        let (number, tag) = tag_before(checkpoint);
        let check = ChainCheck { chain: chain.to_vec(), number, tag };
        match checkpoint {
            Some(checkpoint) if !linker.has_made(chain, checkpoint) => {
                Err(check.fault(number, FaultKind::Checkpoint))
            }
            _ => Ok(check),
        }
    }

    /// Goes on after an entry that was found in place before.
    pub(super) fn after(chain: &[u8], number: u64, tag: Tag) -> ChainCheck {
        ChainCheck { chain: chain.to_vec(), number, tag }
    }

    /// Takes the next entry.
    pub(super) fn next(
        &mut self,
        linker: &AuditLinker,
        number: u64,
        entry: &[u8],
        tag: &Tag,
    ) -> Result<(), Fault> {
        let expected = self.number + 1;
        if number != expected {
            return Err(self.fault(expected, FaultKind::Elsewhere(number)));
        }
        if linker.link(&self.chain, number, &self.tag, entry) != *tag {
            return Err(self.fault(number, FaultKind::Changed));
        }
        (self.number, self.tag) = (number, *tag);
        Ok(())
    }

    /// The number of the last entry that is in place.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Its hash.
    pub(super) fn tag(&self) -> Tag {
        self.tag
    }

    pub(super) fn fault(&self, number: u64, kind: FaultKind) -> Fault {
        let chain = String::from_utf8_lossy(&self.chain);
        Fault { chain: chain.trim_end_matches('/').into(), number, kind }
    }
}
