//! Verifying an export, line by line.

use std::collections::BTreeMap;

use crate::store::chain::Tag;
use crate::store::key;
use crate::vault::audit::AuditLinker;
use crate::vault::audit::check::{ChainCheck, Fault, FaultKind};
use crate::vault::audit::text::{AuditHead, CheckpointLine, Line, chain_of, hex, line};

/// An export that is read.
pub struct ExportCheck {
    linker: AuditLinker,
    /// The chain at hand.
    current: Option<(String, ChainCheck)>,
    /// The chains before it.
    done: BTreeMap<String, (u64, Tag)>,
    counts: BTreeMap<String, u64>,
    heads: Option<Vec<AuditHead>>,
}

/// Why an export is not what was exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportFault {
    /// An entry is not as it was.
    #[error("{0}")]
    Chain(Fault),
    /// A line is none of an export.
    #[error("it is not a line of an export, or was changed: it stands {0}")]
    Malformed(String),
    /// A chain goes on after another began.
    #[error("chain {0} stands in two places")]
    Scattered(String),
    /// The last line says how far the chains reach, and was not made by this store.
    #[error("the last line was changed")]
    End,
    /// There is more after the last line.
    #[error("it stands after the last line")]
    AfterEnd,
    /// The last line is missing.
    #[error("the file was cut off: after entry {seq} of chain {chain} more must come")]
    CutOff {
        /// The chain that stands last.
        chain: String,
        /// Its last entry.
        seq: u64,
    },
    /// There is nothing at all.
    #[error("the file is empty")]
    Empty,
}

/// A chain that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedChain {
    /// An organization's id, or `store`.
    pub chain: String,
    /// How many entries it has.
    pub entries: u64,
    /// The number of the newest.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

impl ExportCheck {
    /// Begins.
    #[must_use]
    pub fn new(linker: AuditLinker) -> ExportCheck {
        let (done, counts) = (BTreeMap::new(), BTreeMap::new());
        ExportCheck { linker, current: None, done, counts, heads: None }
    }

    /// Takes the next line, without its end, and says the hash that it leaves a chain with.
    ///
    /// # Errors
    /// [`ExportFault`].
    pub fn line(&mut self, text: &str) -> Result<Option<String>, ExportFault> {
        if self.heads.is_some() {
            return Err(ExportFault::AfterEnd);
        }
        match serde_json::from_str(text).map_err(|_| self.malformed())? {
            Line::Entry(entry) => {
                let record = entry.record(text);
                let linker = self.linker.clone();
                let check = self.chain(&entry.chain)?;
                let changed = || ExportFault::Chain(check.fault(entry.seq, FaultKind::Changed));
                let (bytes, tag) = record.ok_or_else(changed)?;
                check.next(&linker, entry.seq, &bytes, &tag).map_err(ExportFault::Chain)?;
                *self.counts.entry(entry.chain.clone()).or_default() += 1;
                Ok(Some(hex(&tag)))
            }
            Line::Checkpoint(told) => {
                let checkpoint = told.checkpoint().ok_or_else(|| self.malformed())?;
                if line(&CheckpointLine::of(&told.chain, &checkpoint)) != text {
                    return Err(self.malformed());
                }
                if self.is_known(&told.chain) {
                    return Err(ExportFault::Scattered(told.chain));
                }
                let keys = self.keys(&told.chain)?;
                let check = ChainCheck::begin(&self.linker, &keys, Some(&checkpoint));
                self.enter(told.chain, check.map_err(ExportFault::Chain)?);
                Ok(Some(hex(&checkpoint.hash)))
            }
            Line::End(end) => {
                if !end.holds(&self.linker) || line(&end) != text {
                    return Err(ExportFault::End);
                }
                self.leave();
                self.heads = Some(end.end);
                Ok(None)
            }
        }
    }

    fn malformed(&self) -> ExportFault {
        ExportFault::Malformed(match &self.current {
            Some((chain, check)) => format!("after entry {} of chain {chain}", check.number()),
            None => "at the beginning".into(),
        })
    }

    fn keys(&self, chain: &str) -> Result<Vec<u8>, ExportFault> {
        chain_of(chain).map(key::audit_chain).ok_or_else(|| self.malformed())
    }

    fn is_known(&self, chain: &str) -> bool {
        self.done.contains_key(chain) || self.current.as_ref().is_some_and(|(current, _)| current == chain)
    }

    fn chain(&mut self, chain: &str) -> Result<&mut ChainCheck, ExportFault> {
        if self.done.contains_key(chain) {
            return Err(ExportFault::Scattered(chain.into()));
        }
        if !self.is_known(chain) {
            let check =
                ChainCheck::begin(&self.linker, &self.keys(chain)?, None).map_err(ExportFault::Chain)?;
            self.enter(chain.into(), check);
        }
        self.current.as_mut().map(|(_, check)| check).ok_or_else(|| ExportFault::Scattered(chain.into()))
    }

    fn enter(&mut self, chain: String, check: ChainCheck) {
        self.leave();
        self.current = Some((chain, check));
    }

    fn leave(&mut self) {
        if let Some((chain, check)) = self.current.take() {
            self.done.insert(chain, (check.number(), check.tag()));
        }
    }

    /// Ends, and says how far each chain reaches.
    ///
    /// # Errors
    /// [`ExportFault`] where something is missing at the end, of the file or of a chain.
    pub fn finish(self) -> Result<Vec<VerifiedChain>, ExportFault> {
        let ExportCheck { current, done, counts, heads, .. } = self;
        let Some(heads) = heads else {
            let last = current.map(|(chain, check)| (chain, check.number()));
            return Err(last.map_or(ExportFault::Empty, |(chain, seq)| ExportFault::CutOff { chain, seq }));
        };
        if let Some(extra) = done.keys().find(|chain| !heads.iter().any(|head| head.chain == **chain)) {
            return Err(ExportFault::Scattered(extra.clone()));
        }
        let mut chains = Vec::with_capacity(heads.len());
        for head in heads {
            let (seq, tag) = done.get(&head.chain).copied().unwrap_or_default();
            if seq != head.seq || hex(&tag) != head.hash {
                let check = ChainCheck::after(head.chain.as_bytes(), seq, tag);
                return Err(ExportFault::Chain(check.fault(seq + 1, FaultKind::Missing)));
            }
            let entries = counts.get(&head.chain).copied().unwrap_or(0);
            chains.push(VerifiedChain { chain: head.chain, entries, seq, hash: head.hash });
        }
        Ok(chains)
    }
}
