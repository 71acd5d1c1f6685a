//! Healings of the store are on its trail: each once, whoever opens the store or serves it when it happens.

use crate::model::{AuditEvent, Entity, EntityKind};
use crate::store::embedded::Healing;
use crate::store::{Batch, Tree};
use crate::vault::audit::{Act, Author};
use crate::vault::{Error, Vault};

/// In [`Tree::Meta`]: when the healing was of which the trail has an entry, the newest.
const META_HEALED: &[u8] = b"healed";

impl Vault {
    /// Writes the entry of a healing, unless it is there. Taken also while free disk is low.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn record_healing(&self, healing: &Healing) -> Result<(), Error> {
        let at = healing.at.as_bytes();
        let known = self.0.engine.get(Tree::Meta, META_HEALED).await?;
        if known.is_some_and(|known| known.value == at) {
            return Ok(());
        }
        let batch = Batch::new().freeing_space().put(Tree::Meta, META_HEALED, at);
        let store = Entity::unknown(EntityKind::Store).named(healing.found.as_str());
        let batch = self.record(batch, Author::store(), Act::new(AuditEvent::StoreHealed, store)).await?;
        // It requires nothing, so it cannot conflict.
        self.commit(batch).await.map(drop)
    }
}
