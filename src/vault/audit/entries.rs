//! Reading ranges of entries, by their numbers: of a chain, or of a view of one.

use crate::model::AuditEntry;
use crate::store::chain::{self, Head, Run, Tag};
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
        let engine = self.0.engine.as_ref();
        let newest = match &view {
            Some(view) => newest_run(engine, view).await?.map_or(0, |run| run.end()),
            None => head(engine, &chain).await?.number,
        };
        Ok(Range { chain, view, pruned, newest })
    }

    /// Up to [`SCAN_STEP`] entries of a range from `place` on towards older ones, the newest first.
    pub(super) async fn read_entries(
        &self,
        range: &Range,
        place: u64,
        count: u64,
    ) -> Result<Vec<Standing>, Error> {
        let mut left = count.min(SCAN_STEP as u64).min(place.saturating_sub(range.pruned));
        let runs = match &range.view {
            Some(view) => self.runs_below(view, place, left as usize).await?,
            None => vec![Run { place: 1, number: 1, count: place }],
        };
        let mut entries = Vec::with_capacity(left as usize);
        for run in runs {
            // Of the first, what is newer than `place` was not asked for.
            let last = run.number + run.end().min(place) - run.place;
            let first = run.number.max((last + 1).saturating_sub(left));
            let found = self.chain_records(&range.chain, first, last).await?;
            for found in found.iter().rev() {
                entries.push(standing(&found.key, &found.value)?);
            }
            left = left.saturating_sub(last + 1 - first);
            if left == 0 {
                break;
            }
        }
        Ok(entries)
    }

    /// Up to `limit` runs of a view that begin at `place` or before, the newest first.
    pub(super) async fn runs_below(&self, view: &[u8], place: u64, limit: usize) -> Result<Vec<Run>, Error> {
        let after = chain::key(view, place.saturating_add(1));
        let found = self.0.engine.scan(Tree::Audit, view, Some(&after), limit).await?;
        Ok(found.iter().map(Run::of).collect::<Result<_, _>>()?)
    }

    /// The records of a chain from the number `first` to `last`, at most [`SCAN_STEP`], oldest first.
    pub(super) async fn chain_records(
        &self,
        keys: &[u8],
        first: u64,
        last: u64,
    ) -> Result<Vec<Record>, Error> {
        let last = last.min(first.saturating_add(SCAN_STEP as u64 - 1));
        let count = last.saturating_add(1).saturating_sub(first) as usize;
        let after = chain::key(keys, last.saturating_add(1));
        let mut found = self.0.engine.scan(Tree::Audit, keys, Some(&after), count).await?;
        // Where some are missing, older ones came in their place.
        let oldest = chain::key(keys, first);
        found.retain(|record| record.key <= oldest);
        found.reverse();
        Ok(found)
    }
}

/// The newest run of a view.
pub(super) async fn newest_run(engine: &dyn Engine, view: &[u8]) -> Result<Option<Run>, Error> {
    let first = engine.scan(Tree::Audit, view, None, 1).await?;
    Ok(first.first().map(Run::of).transpose()?)
}

/// The newest entry of a chain.
pub(super) async fn head(engine: &dyn Engine, keys: &[u8]) -> Result<Head, Error> {
    let first = engine.scan(Tree::Audit, keys, None, 1).await?;
    Ok(Head::of(first.first())?)
}
