//! How much the store holds in all, for metrics: sums over organizations, with nobody's id in them.

use std::time::Duration;

use crate::model::{Id, Timestamp};
use crate::store::chain::Head;
use crate::store::{self, Batch, Tree, key, record};
use crate::vault::{Error, Vault};

/// In [`Tree::Meta`]: when a backup was last read whole.
const META_LAST_BACKUP: &[u8] = b"last-backup";

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
    /// When a backup was last read whole, if ever.
    pub last_backup: Option<Timestamp>,
}

impl Vault {
    /// How much the store holds. Reads a counter for each definition and environment.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn totals(&self) -> Result<Totals, Error> {
        let last_backup = self.get(Tree::Meta, META_LAST_BACKUP).await?.map(|seen| seen.noun);
        let mut totals =
            Totals { store_audit_head: self.head_number(None).await?, last_backup, ..Totals::default() };
        for org in self.orgs().await? {
            totals.orgs += 1;
            totals.definitions += self.counter(&key::definitions_counter(org.id, None)).await?.0;
            for environment in &org.environments {
                totals.accounts += self.counter(&key::accounts_counter(org.id, environment)).await?.0;
            }
            let prefix = key::definition_values_counters(org.id);
            for counter in self.0.engine.scan(Tree::Counters, &prefix, None, usize::MAX).await? {
                totals.values += u64::try_from(store::decode_counter(&counter.value)?).unwrap_or(0);
            }
            totals.org_audit_heads += self.head_number(Some(org.id)).await?;
        }
        Ok(totals)
    }

    async fn head_number(&self, org: Option<Id>) -> Result<u64, Error> {
        let newest = self.0.engine.scan(Tree::Audit, &key::audit_chain(org), None, 1).await?;
        Ok(Head::of(newest.first())?.number)
    }

    /// Remembers that a backup was read whole just now.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn note_backup(&self) -> Result<(), Error> {
        let now = record::encode(&Timestamp::now())?;
        self.commit(Batch::new().put(Tree::Meta, META_LAST_BACKUP, now)).await.map(drop)
    }

    /// How long the key that opened the keyring took to derive from the passphrase.
    #[must_use]
    pub fn key_derivation_time(&self) -> Duration {
        self.keyring().derived_in()
    }
}
