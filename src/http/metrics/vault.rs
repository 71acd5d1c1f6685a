//! What the vault holds, in sums that are made anew at most every ten seconds: anybody may ask for them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::samples::Samples;
use crate::vault::{Rotation, Totals, Vault};

const FRESH: Duration = Duration::from_secs(10);

/// What was learnt last. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents(Arc<Learnt>);

#[derive(Debug, Default)]
struct Learnt {
    /// When the totals were made; held while they are.
    totals_at: tokio::sync::Mutex<Option<Instant>>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    totals: Option<Totals>,
    rotation: Rotation,
    is_writable: bool,
    key_derivation: Duration,
}

impl Contents {
    pub(super) async fn look_at(&self, vault: &Vault) {
        let mut totals_at = self.0.totals_at.lock().await;
        let known = self.0.seen.lock().and_then(|seen| seen.totals);
        let totals = if known.is_none() || totals_at.is_none_or(|at| at.elapsed() >= FRESH) {
            *totals_at = Some(Instant::now());
            // Where the store cannot be read, its own metrics say so; sums of long ago would not.
            vault.totals().await.ok()
        } else {
            known
        };
        *self.0.seen.lock() = Some(Seen {
            totals,
            rotation: vault.rotation(),
            is_writable: vault.is_writable(),
            key_derivation: vault.key_derivation_time(),
        });
    }
}

impl Collector for Contents {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(seen) = *self.0.seen.lock() else { return Ok(()) };
        let mut to = Samples(encoder);
        to.level("coffer_store_writable", "1 where the last commit succeeded", seen.is_writable.into())?;
        to.gauge(
            "coffer_key_derivation_seconds",
            "Time that deriving the key from the passphrase took at the start",
            seen.key_derivation.as_secs_f64(),
        )?;
        let Rotation { is_running, done, total, resealed } = seen.rotation;
        to.level(
            "coffer_data_key_rotation_running",
            "1 while values are sealed anew under new data keys",
            is_running.into(),
        )?;
        to.level(
            "coffer_data_key_rotation_records",
            "Values and former versions that the last change of data keys has to look at",
            total,
        )?;
        to.level("coffer_data_key_rotation_records_done", "How many it has looked at", done)?;
        to.level("coffer_data_key_rotation_records_resealed", "How many it has sealed anew", resealed)?;
        let Some(totals) = seen.totals else { return Ok(()) };
        to.level("coffer_organizations", "Organizations", totals.orgs)?;
        to.level("coffer_definitions", "Variable definitions", totals.definitions)?;
        to.level("coffer_values", "Values, former versions not counted", totals.values)?;
        to.level("coffer_linked_accounts", "Linked accounts", totals.accounts)?;
        to.level(
            "coffer_audit_store_head",
            "The number of the newest entry of the store's own audit trail",
            totals.store_audit_head,
        )?;
        to.level(
            "coffer_audit_organization_heads",
            "The numbers of the newest entries of the organizations' audit trails, added up",
            totals.org_audit_heads,
        )?;
        let Some(at) = totals.last_backup else { return Ok(()) };
        to.gauge(
            "coffer_last_backup_timestamp_seconds",
            "When the last backup was begun that came whole onto a disk",
            at.as_millis() as f64 / 1000.0,
        )
    }
}
