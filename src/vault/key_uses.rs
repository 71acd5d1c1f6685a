//! When API keys were last used: noted in memory by each request, written now and then.
//!
//! To the minute, so that a request costs a look at a map and, once a minute for each key, one more store
//! to memory. What was noted since the last writing is lost in a crash, which nobody relies on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;

use crate::model::{Id, Timestamp};
use crate::store::{Batch, Tree, key, record};
use crate::vault::{Error, MAX_ATTEMPTS, Vault};

/// The uses that are not written yet: organization and key, and the minute of the last one.
#[derive(Default)]
pub(super) struct KeyUses(RwLock<HashMap<(Id, Id), AtomicI64>>);

impl KeyUses {
    /// Notes a use at `now`.
    pub(super) fn note(&self, org: Id, id: Id, now: Timestamp) {
        let minute = now.minute().as_millis();
        if let Some(last) = self.0.read().get(&(org, id)) {
            // Nearly always it is the same minute: a load leaves the cache line to all cores.
            if last.load(Ordering::Relaxed) < minute {
                last.fetch_max(minute, Ordering::Relaxed);
            }
            return;
        }
        self.0.write().entry((org, id)).or_default().fetch_max(minute, Ordering::Relaxed);
    }

    fn all(&self) -> Vec<((Id, Id), Timestamp)> {
        self.0.read().iter().map(|(key, last)| (*key, minute(last))).collect()
    }

    /// Forgets the uses that are written, but for keys that were used again since.
    fn forget(&self, written: &[((Id, Id), Timestamp)]) {
        let mut uses = self.0.write();
        for (key, at) in written {
            if uses.get(key).map(minute) == Some(*at) {
                uses.remove(key);
            }
        }
    }
}

fn minute(last: &AtomicI64) -> Timestamp {
    Timestamp::from_millis(last.load(Ordering::Relaxed))
}

impl Vault {
    /// Writes when keys were last used, as one change; none where nothing is new. What could not be written
    /// stays noted for the next time.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn write_key_uses(&self) -> Result<(), Error> {
        let noted = self.0.key_uses.all();
        for _ in 0..MAX_ATTEMPTS {
            let batch = self.key_uses_batch(&noted).await?;
            // A conflict is a key that was revoked meanwhile.
            if batch.writes().is_empty() || self.commit(batch).await? {
                self.0.key_uses.forget(&noted);
                return Ok(());
            }
        }
        Err(crate::store::Error::Busy.into())
    }

    async fn key_uses_batch(&self, noted: &[((Id, Id), Timestamp)]) -> Result<Batch, Error> {
        let mut batch = Batch::new();
        for ((org, id), at) in noted {
            let id_key = key::api_key_id(*org, *id);
            // A revoked key has no record here, and must not get one back.
            let Some(exists) = self.0.engine.get(Tree::ApiKeyIds, &id_key).await? else { continue };
            let written = self.get::<Timestamp>(Tree::ApiKeyUses, &id_key).await?;
            if written.is_none_or(|seen| seen.noun < *at) {
                batch = batch.require_version(Tree::ApiKeyIds, id_key.as_slice(), exists.revision).put(
                    Tree::ApiKeyUses,
                    id_key,
                    record::encode(at)?,
                );
            }
        }
        Ok(batch)
    }

    /// The last uses of an organization's keys, by their key in the store.
    pub(super) async fn key_uses(&self, org: Id) -> Result<HashMap<Vec<u8>, Timestamp>, Error> {
        // Memory first: what is written in between is then seen twice rather than not at all.
        let noted = self.0.key_uses.all();
        let mut uses = HashMap::new();
        for found in self.0.engine.scan(Tree::ApiKeyUses, &key::org_prefix(org), None, usize::MAX).await? {
            uses.insert(found.key, record::decode::<Timestamp>(&found.value)?);
        }
        for ((_, id), at) in noted.into_iter().filter(|((noted_org, _), _)| *noted_org == org) {
            let last = uses.entry(key::api_key_id(org, id)).or_insert(at);
            *last = at.max(*last);
        }
        Ok(uses)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::{KdfParameters, Keyring, Passphrase};
    use crate::model::{ApiKey, Operator, Org, Permissions, Reach};
    use crate::store::memory::Memory;
    use crate::store::{self, Engine};
    use crate::vault::{NewApiKey, Policy};

    const OPERATOR: Operator = Operator { uid: 1000 };

    struct Bench {
        engine: Arc<Memory>,
        vault: Vault,
        org: Org,
    }

    impl Bench {
        async fn new() -> Bench {
            let engine = Arc::new(Memory::new());
            let vault = open(engine.clone()).await;
            let org = vault.create_org(OPERATOR, "acme".parse().unwrap()).await.unwrap();
            Bench { engine, vault, org }
        }

        async fn used_key(&self) -> ApiKey {
            let new = NewApiKey {
                reach: Reach::All,
                permissions: Permissions::ALL,
                name: String::new(),
                lifetime: None,
            };
            let (key, secret) = self.vault.create_api_key(OPERATOR, &self.org, new).await.unwrap();
            self.vault.authenticate::<crate::vault::need::Read>(secret.expose()).await.unwrap();
            key
        }

        async fn shown(vault: &Vault, org: Id) -> Vec<Option<Timestamp>> {
            vault.api_keys(org).await.unwrap().iter().map(|listed| listed.last_used_at).collect()
        }
    }

    async fn open(engine: Arc<Memory>) -> Vault {
        let passphrase = Passphrase::from("a passphrase for tests".to_owned());
        let (keyring, bytes) = match engine.get(Tree::Meta, b"keyring").await.unwrap() {
            Some(found) => (Keyring::open(&found.value, &passphrase).unwrap(), found.value),
            None => Keyring::create(&passphrase, KdfParameters::FLOOR, [7; 16]).unwrap(),
        };
        engine.commit(Batch::new().put(Tree::Meta, b"keyring", bytes)).await.unwrap();
        let policy = Policy::for_tests();
        Vault::open(engine, keyring, policy).await.unwrap()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_use_is_shown_at_once_and_lasts_once_it_is_written() {
        block_on(async {
            let bench = Bench::new().await;
            bench.used_key().await;
            let shown = Bench::shown(&bench.vault, bench.org.id).await;
            let at = shown[0].unwrap();
            assert_eq!(at, at.minute());
            assert!(
                at <= Timestamp::now() && Timestamp::now() < at.after(std::time::Duration::from_secs(120))
            );
            assert_eq!(bench.engine.dump(Tree::ApiKeyUses).len(), 0, "a read writes nothing");
            bench.vault.write_key_uses().await.unwrap();
            assert_eq!(Bench::shown(&bench.vault, bench.org.id).await, shown);
            let reopened = open(bench.engine.clone()).await;
            assert_eq!(Bench::shown(&reopened, bench.org.id).await, shown);
        });
    }

    #[test]
    fn all_uses_are_one_commit_and_none_is_no_commit() {
        block_on(async {
            let bench = Bench::new().await;
            for _ in 0..3 {
                bench.used_key().await;
            }
            let before = bench.engine.commits();
            bench.vault.write_key_uses().await.unwrap();
            assert_eq!(bench.engine.commits(), before + 1);
            bench.vault.write_key_uses().await.unwrap();
            assert_eq!(bench.engine.commits(), before + 1);
        });
    }

    #[test]
    fn a_use_in_a_minute_that_is_written_already_is_no_commit() {
        block_on(async {
            let bench = Bench::new().await;
            let key = bench.used_key().await;
            bench.vault.write_key_uses().await.unwrap();
            let before = bench.engine.commits();
            bench.vault.0.key_uses.note(key.org, key.id, Timestamp::from_millis(60_000));
            bench.vault.write_key_uses().await.unwrap();
            assert_eq!(bench.engine.commits(), before, "and time does not go backwards");
            assert_eq!(bench.vault.0.key_uses.all(), []);
        });
    }

    #[test]
    fn a_revoked_key_takes_its_use_along_and_a_late_write_does_not_bring_it_back() {
        block_on(async {
            let bench = Bench::new().await;
            let key = bench.used_key().await;
            bench.vault.write_key_uses().await.unwrap();
            assert_eq!(bench.engine.dump(Tree::ApiKeyUses).len(), 1);
            bench.vault.0.key_uses.note(
                key.org,
                key.id,
                Timestamp::now().after(std::time::Duration::from_secs(60)),
            );
            let planned = bench.vault.key_uses_batch(&bench.vault.0.key_uses.all()).await.unwrap();
            bench.vault.revoke_api_key(OPERATOR, key.org, key.id).await.unwrap();
            assert_eq!(bench.engine.dump(Tree::ApiKeyUses).len(), 0);
            assert!(matches!(bench.engine.commit(planned).await, Err(store::Error::Conflict)));
            bench.vault.write_key_uses().await.unwrap();
            assert_eq!(bench.engine.dump(Tree::ApiKeyUses).len(), 0);
            assert_eq!(bench.vault.0.key_uses.all(), [], "nor is it tried for ever");
        });
    }

    #[test]
    fn what_could_not_be_written_is_written_the_next_time() {
        block_on(async {
            let bench = Bench::new().await;
            bench.used_key().await;
            bench.engine.fail_next(store::Error::Full);
            assert!(bench.vault.write_key_uses().await.is_err());
            assert_eq!(bench.engine.dump(Tree::ApiKeyUses).len(), 0);
            bench.vault.write_key_uses().await.unwrap();
            assert_eq!(bench.engine.dump(Tree::ApiKeyUses).len(), 1);
        });
    }
}
