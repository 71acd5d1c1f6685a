//! Reading ranges of entries, by their numbers: of a chain, or of a view of one.

use crate::model::AuditEntry;
use crate::store::chain::{self, Head, Tag};
use crate::store::{Engine, Record, Tree, key, record};
use crate::vault::audit::Chain;
use crate::vault::page::SCAN_STEP;
use crate::vault::{Error, Vault};

/// An entry as it stands in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) number: u64,
    pub(super) entry: AuditEntry,
    pub(super) tag: Tag,
}

/// A chain or a view of it, and how far it reaches: its places are those after `pruned`, up to `newest`.
#[derive(Debug)]
pub(super) struct Range {
    chain: Vec<u8>,
    view: Option<Vec<u8>>,
    pub(super) pruned: u64,
    pub(super) newest: u64,
}

impl Range {
    /// How many entries it has.
    pub(super) fn len(&self) -> u64 {
        self.newest.saturating_sub(self.pruned)
    }
}

/// The entry in a chain's record.
pub(super) fn standing(key: &[u8], value: &[u8]) -> Result<Standing, Error> {
    let (entry, tag) = chain::split(value)?;
    Ok(Standing { number: chain::number(key)?, entry: record::decode(entry)?, tag: *tag })
}

impl Vault {
    /// A chain as far as it reaches now, or a view of it.
    pub(super) async fn audit_range(&self, of: Chain, view: Option<Vec<u8>>) -> Result<Range, Error> {
        let chain = key::audit_chain(of);
        // Before the newest: what is pruned meanwhile is then counted rather than missed.
        let pruned = match &view {
            Some(view) => self.counter(&key::audit_pruned(view)).await?.0,
            None => self.checkpoint(of).await?.map_or(0, |seen| seen.noun.number),
        };
        let newest = newest(self.0.engine.as_ref(), view.as_ref().unwrap_or(&chain)).await?;
        Ok(Range { chain, view, pruned, newest })
    }

    /// Up to [`SCAN_STEP`] entries of a range from `place` on towards older ones, the newest first.
    pub(super) async fn read_entries(
        &self,
        range: &Range,
        place: u64,
        count: u64,
    ) -> Result<Vec<Standing>, Error> {
        let count = count.min(SCAN_STEP as u64).min(place.saturating_sub(range.pruned)) as usize;
        let engine = self.0.engine.as_ref();
        let keys = range.view.as_ref().unwrap_or(&range.chain);
        let after = chain::key(keys, place + 1);
        let found = engine.scan(Tree::Audit, keys, Some(&after), count).await?;
        let mut entries = Vec::with_capacity(found.len());
        for found in found {
            if range.view.is_none() {
                entries.push(standing(&found.key, &found.value)?);
                continue;
            }
            let key = chain::key(&range.chain, chain::viewed(&found.value)?);
            // One that was pruned since is not there any more.
            if let Some(found) = engine.get(Tree::Audit, &key).await? {
                entries.push(standing(&found.key, &found.value)?);
            }
        }
        Ok(entries)
    }
}

impl Vault {
    /// The records of a chain or view from the number `first` to `last`, at most [`SCAN_STEP`], oldest first.
    pub(super) async fn chain_records(
        &self,
        keys: &[u8],
        first: u64,
        last: u64,
    ) -> Result<Vec<Record>, Error> {
        let last = last.min(first.saturating_add(SCAN_STEP as u64 - 1));
        let count = (last + 1).saturating_sub(first) as usize;
        let after = chain::key(keys, last.saturating_add(1));
        let mut found = self.0.engine.scan(Tree::Audit, keys, Some(&after), count).await?;
        // Where some are missing, older ones came in their place.
        let oldest = chain::key(keys, first);
        found.retain(|record| record.key <= oldest);
        found.reverse();
        Ok(found)
    }
}

/// The number of the newest record of a chain or view; 0 where there is none.
pub(super) async fn newest(engine: &dyn Engine, keys: &[u8]) -> Result<u64, Error> {
    Ok(head(engine, keys).await?.number)
}

/// The newest record of a chain or view.
pub(super) async fn head(engine: &dyn Engine, keys: &[u8]) -> Result<Head, Error> {
    let first = engine.scan(Tree::Audit, keys, None, 1).await?;
    Ok(Head::of(first.first())?)
}
