//! New data keys: from one moment on they seal what is set, and what was sealed before is sealed anew behind that.
//!
//! Nothing but the keys themselves says that this is under way: an organization's record names its current key,
//! and every other key of it in the store is one that goes. So it goes on after a restart, from where it was,
//! and in a restored backup. A key is deleted when nothing is sealed with it any more.
//!
//! Whoever seals holds a definition's gate from then until that is committed. The switch to a new key holds all of them,
//! so afterwards nothing is on its way that the old key sealed, and one walk over the values meets all of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex as Lock;

use crate::crypto::SealedValue;
use crate::model::{Address, AuditEvent, Content, Entity, EntityKind, Id, Operator, Org, Value};
use crate::store::{self, Batch, Record, Tree, key, record};
use crate::vault::audit::{Act, Author};
use crate::vault::data_keys::DataKeys;
use crate::vault::{Error, Vault};

/// How many records are looked at, and at most sealed anew, in one change: few enough that no set waits long behind
/// it, and that what is on its way at a conflict is soon done again.
const STEP: usize = 64;
/// How long a key that is gone from the store is kept in memory: whoever read a value before it was sealed anew may still
/// open it.
const GRACE: Duration = Duration::from_secs(30);

/// How far the change to new data keys has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Whether it is under way.
    pub is_running: bool,
    /// Values and former versions that were looked at.
    pub done: u64,
    /// How many there are to look at.
    pub total: u64,
    /// How many of them were sealed anew.
    pub resealed: u64,
}

/// What the vault knows of it.
#[derive(Debug, Default)]
pub(super) struct Rotations {
    progress: Lock<Rotation>,
    /// Whether nothing is left to be sealed anew, as far as is known.
    is_settled: AtomicBool,
    /// Held by the one who seals anew.
    worker: tokio::sync::Mutex<()>,
}

impl Vault {
    /// How far the change to new data keys has come. Cheap.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        *self.0.rotations.progress.lock()
    }

    /// Whether something may be left for [`Vault::finish_rotations`]: nobody has looked yet, or whoever did it last was
    /// stopped by an error. Cheap.
    #[must_use]
    pub fn is_rotation_due(&self) -> bool {
        !self.0.rotations.is_settled.load(Ordering::Acquire)
    }

    /// How many organizations have a data key that is not their current one: it goes when nothing is sealed with it
    /// any more.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn count_retiring(&self) -> Result<usize, Error> {
        let mut retiring = 0;
        for org in self.orgs().await? {
            retiring += usize::from(!self.old_keys(&org).await?.is_empty());
        }
        Ok(retiring)
    }

    /// Gives an organization a new data key, which seals all that is set from now on. What is sealed with an older
    /// one is left for [`Vault::finish_rotations`].
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown organization.
    pub async fn begin_rotation(&self, operator: Operator, org: Id) -> Result<(), Error> {
        self.0.rotations.is_settled.store(false, Ordering::Release);
        let mut gates = Vec::with_capacity(self.0.definition_gates.len());
        for gate in &self.0.definition_gates {
            // In the one order in which all take several.
            gates.push(gate.write().await);
        }
        let org_key = key::org(org);
        loop {
            let seen = self.get::<Org>(Tree::Orgs, &org_key).await?.ok_or(Error::NotFound("Organization"))?;
            let id = self.0.ids.next();
            let (data_key, wrapped) = DataKeys::generate(&self.0.keyring, org, id);
            let changed = Org { data_key: id, ..seen.noun };
            let batch = Batch::new()
                .require_version(Tree::Orgs, org_key.as_slice(), seen.revision)
                .put(Tree::Orgs, org_key.as_slice(), record::encode(&changed)?)
                .put(Tree::DataKeys, key::data_key(org, id), wrapped);
            let act = Act::new(AuditEvent::DataKeyRotated, Entity::of(EntityKind::DataKey, id));
            let batch = self.record(batch, Author::operator(Some(org), operator), act).await?;
            if self.commit(batch).await? {
                self.0.data_keys.adopt(org, data_key);
                return Ok(());
            }
        }
    }

    /// Seals anew whatever is sealed with a data key that is no longer its organization's current one, then
    /// deletes those keys. Where another does it already, waits for that first.
    ///
    /// # Errors
    /// Only the store's; it can be gone on with.
    pub async fn finish_rotations(&self) -> Result<(), Error> {
        let _alone = self.0.rotations.worker.lock().await;
        // Before it is looked what there is: whoever begins another one meanwhile takes it back.
        self.0.rotations.is_settled.store(true, Ordering::Release);
        let done = self.finish_pending().await;
        if done.is_err() {
            self.0.rotations.is_settled.store(false, Ordering::Release);
        }
        done
    }

    async fn finish_pending(&self) -> Result<(), Error> {
        let mut pending = Vec::new();
        for org in self.orgs().await? {
            let old = self.old_keys(&org).await?;
            if !old.is_empty() {
                pending.push((org.id, old));
            }
        }
        if pending.is_empty() {
            return Ok(());
        }
        let mut total = 0;
        for (org, _) in &pending {
            for tree in [Tree::Values, Tree::ValueVersions] {
                total += self.count(tree, *org).await?;
            }
        }
        *self.0.rotations.progress.lock() = Rotation { is_running: true, done: 0, total, resealed: 0 };
        let done = self.reseal_all(pending).await;
        self.0.rotations.progress.lock().is_running = false;
        done
    }

    async fn reseal_all(&self, pending: Vec<(Id, BTreeSet<Id>)>) -> Result<(), Error> {
        for (org, old) in pending {
            // Values first: what a set makes a former version while they are walked is then still met.
            for tree in [Tree::Values, Tree::ValueVersions] {
                self.reseal(tree, org, &old).await?;
            }
            let drop_keys = old.iter().fold(Batch::new().freeing_space(), |batch, id| {
                batch.delete(Tree::DataKeys, key::data_key(org, *id))
            });
            self.commit(drop_keys).await?;
            let vault = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(GRACE).await;
                vault.0.data_keys.forget(&old);
            });
        }
        Ok(())
    }

    /// The data keys of an organization that are not its current one.
    async fn old_keys(&self, org: &Org) -> Result<BTreeSet<Id>, Error> {
        let prefix = key::org_prefix(org.id);
        let found = self.0.engine.scan(Tree::DataKeys, &prefix, None, usize::MAX).await?;
        let mut old = BTreeSet::new();
        for found in found {
            let (_, id) = key::parse_data_key(&found.key)?;
            if id != org.data_key {
                old.insert(id);
            }
        }
        Ok(old)
    }

    async fn count(&self, tree: Tree, org: Id) -> Result<u64, Error> {
        let (mut count, mut after) = (0, None::<Vec<u8>>);
        loop {
            let step = self.step(tree, org, after.as_deref()).await?;
            let Some(last) = step.last() else { return Ok(count) };
            count += step.len() as u64;
            after = Some(last.key.clone());
            tokio::task::yield_now().await;
        }
    }

    async fn step(&self, tree: Tree, org: Id, after: Option<&[u8]>) -> Result<Vec<Record>, Error> {
        Ok(self.0.engine.scan(tree, &key::org_prefix(org), after, STEP).await?)
    }

    /// Seals anew what of one tree is sealed with one of these keys.
    async fn reseal(&self, tree: Tree, org: Id, old: &BTreeSet<Id>) -> Result<(), Error> {
        let mut after = None::<Vec<u8>>;
        loop {
            let step = self.step(tree, org, after.as_deref()).await?;
            let Some(last) = step.last() else { return Ok(()) };
            let mut batch = Batch::new().unannounced();
            let mut resealed = 0;
            for found in &step {
                if let Some(value) = self.resealed(tree, org, found, old).await? {
                    resealed += 1;
                    batch = batch.require_version(tree, found.key.as_slice(), found.revision).put(
                        tree,
                        found.key.as_slice(),
                        record::encode(&value)?,
                    );
                }
            }
            // Whoever changed one of them meanwhile was first: the step is looked at again.
            if resealed > 0 && !self.commit(batch).await? {
                continue;
            }
            after = Some(last.key.clone());
            let mut progress = self.0.rotations.progress.lock();
            progress.done += step.len() as u64;
            progress.total = progress.total.max(progress.done);
            progress.resealed += resealed;
        }
    }

    /// The value in a record, sealed with the current key; `None` where nothing is to be done.
    async fn resealed(
        &self,
        tree: Tree,
        org: Id,
        found: &Record,
        old: &BTreeSet<Id>,
    ) -> Result<Option<Value>, Error> {
        let value: Value = record::decode(&found.value)?;
        let Content::Sealed(sealed) = &value.content else { return Ok(None) };
        let parsed = SealedValue::parse(sealed.clone())
            .map_err(|_| store::Error::Damaged("a sealed value is malformed".into()))?;
        if !old.contains(&Id::from_bytes(parsed.key_id().0)) {
            return Ok(None);
        }
        let Some(at) = self.place_of(tree, org, found, value.id).await? else { return Ok(None) };
        let text = self.0.data_keys.open(&at, value.id, value.version, sealed)?;
        let content = self.0.data_keys.seal(&at, value.id, value.version, &text)?;
        Ok(Some(Value { content, ..value }))
    }

    /// Where the value of a record is, or was: a former version stands under its value's id.
    async fn place_of(
        &self,
        tree: Tree,
        org: Id,
        found: &Record,
        value: Id,
    ) -> Result<Option<Address>, Error> {
        if tree == Tree::Values {
            return Ok(Some(key::parse_value(&found.key)?));
        }
        // One whose value was deleted since the scan went with it.
        let value_key = self.0.engine.get(Tree::ValueIds, &key::value_id(org, value)).await?;
        Ok(value_key.map(|found| key::parse_value(&found.value)).transpose()?)
    }
}
