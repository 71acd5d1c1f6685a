//! Pruning: a chain's oldest entries go, and a signed checkpoint stands for them.

use std::collections::BTreeSet;

use crate::model::{AuditCheckpoint, AuditEntry, Org, Timestamp};
use crate::store::chain::{self, NO_TAG, Tag};
use crate::store::{Batch, Tree, key, record};
use crate::vault::audit::check::ChainCheck;
use crate::vault::audit::entries::{head, newest_run};
use crate::vault::audit::{AuditLinker, Chain};
use crate::vault::page::SCAN_STEP;
use crate::vault::{Error, Seen, Vault};

impl AuditLinker {
    fn checkpoint_mac(&self, chain: &[u8], number: u64, hash: &Tag, created_at: Timestamp) -> Tag {
        let created_at = created_at.as_millis().to_be_bytes();
        self.sign("checkpoint", &[chain, &number.to_be_bytes(), hash, &created_at])
    }

    /// Whether a checkpoint is one that was made for this chain.
    pub(super) fn has_made(&self, chain: &[u8], checkpoint: &AuditCheckpoint) -> bool {
        let AuditCheckpoint { number, hash, created_at, mac } = checkpoint;
        // What is compared here is no secret of whoever could measure it.
        self.checkpoint_mac(chain, *number, hash, *created_at) == *mac
    }
}

impl Vault {
    pub(super) async fn checkpoint(&self, of: Chain) -> Result<Option<Seen<AuditCheckpoint>>, Error> {
        self.get(Tree::Audit, &key::audit_checkpoint(of)).await
    }

    /// Removes the entries that are older than the policy has them kept, and says how many. The newest of a
    /// chain always stays: the next one is bound to it.
    ///
    /// # Errors
    /// Only the store's. A chain that does not verify is left as it is, and said so in the log.
    pub async fn prune_audit(&self) -> Result<u64, Error> {
        let Some(before) = Timestamp::now().before(self.policy().audit_lifetime) else { return Ok(0) };
        let mut pruned = self.prune_chain(None, &[], before).await?;
        for org in self.orgs().await? {
            pruned += self.prune_chain(Some(org.id), &[org], before).await?;
        }
        Ok(pruned)
    }

    async fn prune_chain(&self, of: Chain, orgs: &[Org], before: Timestamp) -> Result<u64, Error> {
        let mut pruned = 0;
        loop {
            let step = self.prune_step(of, orgs, before).await?;
            pruned += step;
            if step < SCAN_STEP as u64 {
                return Ok(pruned);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn prune_step(&self, of: Chain, orgs: &[Org], before: Timestamp) -> Result<u64, Error> {
        let chain = key::audit_chain(of);
        let seen = self.checkpoint(of).await?;
        let begin = seen.as_ref().map_or(0, |seen| seen.noun.number);
        let newest = head(self.0.engine.as_ref(), &chain).await?.number;
        let end = newest.saturating_sub(1).min(begin + SCAN_STEP as u64);
        let checked = ChainCheck::begin(&self.0.audit, &chain, seen.as_ref().map(|seen| &seen.noun));
        let mut check = match checked {
            Ok(check) if begin < end => check,
            Ok(_) => return Ok(0),
            Err(fault) => return Ok(left_alone(&fault.to_string())),
        };
        let mut old = Vec::new();
        for found in self.chain_records(&chain, begin + 1, end).await? {
            let (bytes, tag) = chain::split(&found.value)?;
            let entry: AuditEntry = record::decode(bytes)?;
            if entry.created_at >= before {
                break;
            }
            if let Err(fault) = check.next(&self.0.audit, chain::number(&found.key)?, bytes, tag) {
                left_alone(&fault.to_string());
                break;
            }
            old.push((found.key, entry));
        }
        let (number, hash) = (check.number(), check.tag());
        if number == begin {
            return Ok(0);
        }
        let created_at = Timestamp::now();
        let mac = self.0.audit.checkpoint_mac(&chain, number, &hash, created_at);
        let checkpoint = AuditCheckpoint { number, hash, created_at, mac };
        let checkpoint_key = key::audit_checkpoint(of);
        let mut batch = Batch::new()
            .require_unchanged(Tree::Audit, checkpoint_key.as_slice(), seen.map(|seen| seen.revision))
            .put(Tree::Audit, checkpoint_key, record::encode(&checkpoint)?)
            .freeing_space();
        let mut views = BTreeSet::new();
        for org in orgs {
            views.extend(org.environments.iter().map(|each| key::audit_environment(org.id, each)));
            views.extend(old.iter().filter_map(|(_, entry)| {
                let account = entry.linked_account.as_ref()?;
                Some(key::audit_account(org.id, entry.environment.as_ref()?, account))
            }));
        }
        for view in views {
            batch = self.prune_view(batch, &view, number).await?;
        }
        let count = old.len() as u64;
        batch = old.into_iter().fold(batch, |batch, (key, _)| batch.delete(Tree::Audit, key));
        // A conflict is another who prunes.
        Ok(if self.commit(batch).await? { count } else { 0 })
    }

    /// Adds to `batch` that a view forgets the entries up to this number of the chain, of which there are at most
    /// [`SCAN_STEP`]. Its newest run stays, as what comes next is numbered after it; it goes with those after it.
    async fn prune_view(&self, mut batch: Batch, view: &[u8], number: u64) -> Result<Batch, Error> {
        let counter_key = key::audit_pruned(view);
        let (begin, _) = self.counter(&counter_key).await?;
        let Some(newest) = newest_run(self.0.engine.as_ref(), view).await? else { return Ok(batch) };
        // One of them may be left from when it was the newest, and one have been pruned in part.
        let mut runs = self.runs_below(view, begin + SCAN_STEP as u64, SCAN_STEP + 2).await?;
        runs.reverse();
        let mut end = begin;
        for run in runs.iter().filter(|run| run.end() > begin && run.number <= number) {
            end = run.place + run.count.min(number - run.number + 1) - 1;
        }
        if end == begin {
            return Ok(batch);
        }
        for run in runs.iter().filter(|run| run.end() <= end && run.place != newest.place) {
            batch = batch.delete(Tree::Audit, chain::key(view, run.place));
        }
        Ok(batch.add(Tree::Counters, counter_key, (end - begin) as i64))
    }
}

fn left_alone(why: &str) -> u64 {
    tracing::error!("the audit trail is not pruned: {why}");
    0
}

/// The tag before a chain's first entry that is left.
pub(super) fn tag_before(checkpoint: Option<&AuditCheckpoint>) -> (u64, Tag) {
    checkpoint.map_or((0, NO_TAG), |checkpoint| (checkpoint.number, checkpoint.hash))
}
