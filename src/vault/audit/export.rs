//! The whole trail, a bounded piece at a time: as lines to export, and verified where it stands.

use crate::model::AuditCheckpoint;
use crate::store::chain::{self, NO_TAG, Tag};
use crate::store::key;
use crate::vault::audit::check::{ChainCheck, FaultKind};
use crate::vault::audit::entries::{head, standing};
use crate::vault::audit::text::{
    AuditHead, CheckpointLine, EndLine, EntryLine, chain_of, hex, line, name_of, unhex,
};
use crate::vault::audit::{AuditLinker, Chain};
use crate::vault::page::SCAN_STEP;
use crate::vault::{Error, Vault};

/// How far the trail reaches at one moment.
#[derive(Debug, Clone)]
pub struct AuditOutline {
    /// Each chain that has an entry.
    pub heads: Vec<AuditHead>,
    /// The last line of an export that reaches so far.
    pub end: String,
}

/// How far a chain is verified.
#[derive(Debug, Clone)]
pub struct VerifiedPart {
    /// The number of the last entry that was.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// How many were in this part.
    pub entries: u64,
    /// Those of the known hashes that were met.
    pub met: Vec<String>,
    /// What is wrong with the next one.
    pub fault: Option<String>,
}

/// How many entries are verified at once.
const PART: u64 = 10_000;

impl Vault {
    /// How far the trail reaches now.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn audit_outline(&self) -> Result<AuditOutline, Error> {
        let mut heads = Vec::new();
        let orgs = self.orgs().await?;
        for of in std::iter::once(None).chain(orgs.iter().map(|org| Some(org.id))) {
            let head = head(self.0.engine.as_ref(), &key::audit_chain(of)).await?;
            if head.number > 0 {
                heads.push(AuditHead { chain: name_of(of), seq: head.number, hash: hex(&head.tag) });
            }
        }
        let end = line(&EndLine::of(&self.0.audit, &heads));
        Ok(AuditOutline { heads, end })
    }

    /// Some of a chain's entries as lines, oldest first: those after the number `after`, but none after `last`.
    /// With `after` 0 it begins with what is left, and with the checkpoint where some was pruned.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown chain; [`Error::InvalidRequest`] where what comes next was pruned
    /// meanwhile.
    pub async fn audit_lines(&self, name: &str, after: u64, last: u64) -> Result<Vec<String>, Error> {
        let of = chain(name)?;
        let keys = key::audit_chain(of);
        let checkpoint = self.checkpoint(of).await?.map(|seen| seen.noun);
        let pruned = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.number);
        let mut lines = Vec::new();
        let begin = match checkpoint {
            Some(checkpoint) if after == 0 => {
                lines.push(line(&CheckpointLine::of(name, &checkpoint)));
                checkpoint.number
            }
            _ => after,
        };
        if begin < pruned {
            return Err(Error::InvalidRequest("entries were pruned during the export: try again".into()));
        }
        for found in self.chain_records(&keys, begin.saturating_add(1), last).await? {
            let found = standing(&found.key, &found.value)?;
            lines.push(line(&EntryLine::of(name, found.number, &found.entry, &found.tag)));
        }
        Ok(lines)
    }

    /// Verifies a part of a chain: what comes after the entry with this number and hash (0: from the beginning),
    /// but nothing after `last`. Of the `known` hashes, it says which it meets.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown chain. What is wrong with the chain is in the answer.
    pub async fn verify_audit(
        &self,
        name: &str,
        after: u64,
        hash: &str,
        last: u64,
        known: &[String],
    ) -> Result<VerifiedPart, Error> {
        let of = chain(name)?;
        let keys = key::audit_chain(of);
        let mut part =
            VerifiedPart { seq: after, hash: hash.into(), entries: 0, met: Vec::new(), fault: None };
        let mut check = match unhex(hash) {
            Some(tag) if after > 0 => ChainCheck::after(&keys, after, tag),
            _ => match self.begin_check(of, &keys, &mut part, known).await? {
                Some(check) => check,
                None => return Ok(part),
            },
        };
        while part.fault.is_none() && check.number() < last && part.entries < PART {
            let found = self.chain_records(&keys, check.number() + 1, last).await?;
            if found.is_empty() {
                part.fault = Some(check.fault(check.number() + 1, FaultKind::Missing).to_string());
            }
            for found in found {
                let number = chain::number(&found.key)?;
                // One that is too short for a hash was changed too.
                let (entry, tag) = chain::split(&found.value).unwrap_or((&[], &NO_TAG));
                if let Err(fault) = check.next(&self.0.audit, number, entry, tag) {
                    // Unless it is just that the entries were pruned since.
                    let pruned = self.checkpoint(of).await?.map_or(0, |seen| seen.noun.number);
                    if pruned > check.number() {
                        let Some(begun) = self.begin_check(of, &keys, &mut part, known).await? else { break };
                        check = begun;
                    } else {
                        part.fault = Some(fault.to_string());
                    }
                    break;
                }
                part.entries += 1;
                part.meet(tag, known);
            }
            tokio::task::yield_now().await;
        }
        (part.seq, part.hash) = (check.number(), hex(&check.tag()));
        Ok(part)
    }

    /// Begins a chain where it begins now; `None` where its checkpoint does not hold.
    async fn begin_check(
        &self,
        of: Chain,
        keys: &[u8],
        part: &mut VerifiedPart,
        known: &[String],
    ) -> Result<Option<ChainCheck>, Error> {
        let checkpoint: Option<AuditCheckpoint> = self.checkpoint(of).await?.map(|seen| seen.noun);
        match ChainCheck::begin(&self.0.audit, keys, checkpoint.as_ref()) {
            Ok(check) => {
                if checkpoint.is_some() {
                    part.meet(&check.tag(), known);
                }
                Ok(Some(check))
            }
            Err(fault) => {
                part.fault = Some(fault.to_string());
                Ok(None)
            }
        }
    }

    /// What verifies exports of this store.
    #[must_use]
    pub fn audit_linker(&self) -> AuditLinker {
        AuditLinker::clone(&self.0.audit)
    }
}

impl VerifiedPart {
    fn meet(&mut self, tag: &Tag, known: &[String]) {
        if !known.is_empty() {
            let hash = hex(tag);
            self.met.extend(known.iter().find(|known| **known == hash).cloned());
        }
    }
}

/// How many lines [`Vault::audit_lines`] gives at most, besides a checkpoint.
pub const LINES: usize = SCAN_STEP;

fn chain(name: &str) -> Result<Chain, Error> {
    chain_of(name).ok_or(Error::NotFound("Chain"))
}
