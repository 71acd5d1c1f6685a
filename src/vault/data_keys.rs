//! The data keys of the store's organizations, and what is sealed with them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::crypto::{self, AssociatedData, DataKey, KeyId, Keyring, Plaintext, SealedValue};
use crate::model::{Address, Content, Id, Org};
use crate::store::record;
use crate::store::{self, Engine, Tree, key};
use crate::vault::Error;

const DATA_KEY_LABEL: &str = "coffer/data-key/1";
const VALUE_LABEL: &str = "coffer/value/1";

/// Every data key of the store, unwrapped.
pub(super) struct DataKeys(RwLock<Keys>);

#[derive(Default)]
struct Keys {
    /// The key that each sealed value names.
    by_id: HashMap<Id, Arc<DataKey>>,
    /// The key that seals an organization's new values.
    current: HashMap<Id, Arc<DataKey>>,
}

impl DataKeys {
    /// None.
    pub(super) fn none() -> DataKeys {
        DataKeys(RwLock::default())
    }

    /// Reads and unwraps the store's data keys.
    pub(super) async fn load(engine: &dyn Engine, keyring: &Keyring) -> Result<DataKeys, Error> {
        let keys = DataKeys::none();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let orgs = engine.scan(Tree::Orgs, b"", after.as_deref(), 256).await?;
            let Some(last) = orgs.last() else { break };
            after = Some(last.key.clone());
            for found in &orgs {
                let org: Org = record::decode(&found.value)?;
                for found in engine.scan(Tree::DataKeys, &key::org_prefix(org.id), None, usize::MAX).await? {
                    let (_, id) = keys.unwrap(keyring, &found.key, &found.value)?;
                    if id == org.data_key {
                        keys.make_current(org.id, id);
                    }
                }
            }
        }
        Ok(keys)
    }

    /// Unwraps the data key that stands under `key`, so that what is sealed with it opens. Returns whose it is,
    /// and its id.
    pub(super) fn unwrap(&self, keyring: &Keyring, key: &[u8], wrapped: &[u8]) -> Result<(Id, Id), Error> {
        let (org, id) = key::parse_data_key(key)?;
        let key = keyring.unwrap(wrapped, &wrapping(org, id))?;
        self.0.write().by_id.insert(id, Arc::new(key));
        Ok((org, id))
    }

    fn make_current(&self, org: Id, id: Id) {
        let mut keys = self.0.write();
        if let Some(key) = keys.by_id.get(&id).cloned() {
            keys.current.insert(org, key);
        }
    }

    /// A new data key for `org`, and its wrapped form, which must be stored before the key is
    /// [adopted](Self::adopt).
    pub(super) fn generate(keyring: &Keyring, org: Id, id: Id) -> (DataKey, Vec<u8>) {
        let key = DataKey::generate(KeyId(*id.as_bytes()));
        let wrapped = keyring.wrap(&key, &wrapping(org, id));
        (key, wrapped)
    }

    /// Seals `org`'s values with `key` from now on.
    pub(super) fn adopt(&self, org: Id, key: DataKey) {
        let key = Arc::new(key);
        let mut keys = self.0.write();
        keys.by_id.insert(Id::from_bytes(key.id().0), key.clone());
        keys.current.insert(org, key);
    }

    /// Forgets keys that nothing is sealed with any more.
    pub(super) fn forget(&self, old: &BTreeSet<Id>) {
        self.0.write().by_id.retain(|id, _| !old.contains(id));
    }

    /// Seals a value's text so that it opens only at this address, under this id and version.
    pub(super) fn seal(
        &self,
        at: &Address,
        value: Id,
        version: u64,
        text: &Plaintext,
    ) -> Result<Content, Error> {
        let key = self.0.read().current.get(&at.org).cloned().ok_or_else(missing_key)?;
        let sealed = crypto::seal(&key, &binding(at, value, version), text.expose());
        Ok(Content::Sealed(sealed.as_bytes().to_vec()))
    }

    /// Opens what [`DataKeys::seal`] sealed.
    pub(super) fn open(
        &self,
        at: &Address,
        value: Id,
        version: u64,
        sealed: &[u8],
    ) -> Result<Plaintext, Error> {
        let sealed = SealedValue::parse(sealed.to_vec())
            .map_err(|_| store::Error::Damaged("a sealed value is malformed".into()))?;
        let id = Id::from_bytes(sealed.key_id().0);
        let key = self.0.read().by_id.get(&id).cloned().ok_or_else(missing_key)?;
        Ok(crypto::open(&key, &binding(at, value, version), &sealed)?)
    }
}

fn missing_key() -> Error {
    store::Error::Damaged("a data key is missing".into()).into()
}

fn wrapping(org: Id, key: Id) -> AssociatedData {
    AssociatedData::new(DATA_KEY_LABEL).field(org.as_bytes()).field(key.as_bytes())
}

fn binding(at: &Address, value: Id, version: u64) -> AssociatedData {
    AssociatedData::new(VALUE_LABEL)
        .field(at.org.as_bytes())
        .field(at.environment.as_str())
        .field(at.subject.scope().as_str())
        .field(at.subject.id())
        .field(at.definition.as_bytes())
        .field(value.as_bytes())
        .number(version)
}
