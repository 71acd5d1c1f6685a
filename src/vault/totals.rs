//! How much the store holds in all, for metrics: sums over organizations, with nobody's id in them.

use std::time::Duration;

use crate::model::{Id, Timestamp};
use crate::store::chain::Head;
use crate::store::{self, Tree, key};
use crate::vault::page::each_record;
use crate::vault::{Error, Vault};

/// Sums over all organizations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Organizations.
    pub orgs: u64,
    /// Definitions.
    pub definitions: u64,
    /// Values, former versions not counted.
    pub values: u64,
    /// Linked accounts.
    pub accounts: u64,
    /// The number of the newest entry of the store's own audit trail.
    pub store_audit_head: u64,
    /// The same of the organizations' trails, added up.
    pub org_audit_heads: u64,
    /// When the last backup was begun that came whole onto a disk, if ever.
    pub last_backup: Option<Timestamp>,
}

impl Vault {
    /// How much the store holds. Reads a counter for each definition and environment.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn totals(&self) -> Result<Totals, Error> {
        let mut totals = Totals {
            store_audit_head: self.head_number(None).await?,
            last_backup: self.last_backup().await?,
            ..Totals::default()
        };
        for org in self.orgs().await? {
            totals.orgs += 1;
            totals.definitions += self.counter(&key::definitions_counter(org.id, None)).await?.0;
            for environment in &org.environments {
                totals.accounts += self.counter(&key::accounts_counter(org.id, environment)).await?.0;
            }
            totals.values += self.sum_values(org.id).await?;
            totals.org_audit_heads += self.head_number(Some(org.id)).await?;
        }
        Ok(totals)
    }

    /// The sum of the counters that each definition has.
    async fn sum_values(&self, org: Id) -> Result<u64, Error> {
        let mut total = 0;
        let prefix = key::definition_values_counters(org);
        each_record(self.0.engine.as_ref(), Tree::Counters, &prefix, |counter| {
            total += u64::try_from(store::decode_counter(&counter.value)?).unwrap_or(0);
            Ok(())
        })
        .await?;
        Ok(total)
    }

    async fn head_number(&self, org: Option<Id>) -> Result<u64, Error> {
        let newest = self.0.engine.scan(Tree::Audit, &key::audit_chain(org), None, 1).await?;
        Ok(Head::of(newest.first())?.number)
    }

    /// How long the key that opened the keyring took to derive from the passphrase.
    #[must_use]
    pub fn key_derivation_time(&self) -> Duration {
        self.keyring().derived_in()
    }
}
