//! The rules over an engine in memory that fails, and is tampered with, on command.

use std::sync::Arc;

use super::access::Credential;
use super::*;
use crate::crypto::{KdfParameters, Passphrase};
use crate::model::{Actor, Environment, Format, Operator, Origin, Permissions, Reach, Scope};
use crate::store::memory::Memory;
use crate::store::{decode_counter, key};

mod accounts;
mod audit;
mod context;
mod history;
mod sessions;

const OPERATOR: Operator = Operator { uid: 1000 };
const PLANTED: &str = "planted-7d1f";

struct Bench {
    engine: Arc<Memory>,
    vault: Vault,
    org: Id,
}

impl Bench {
    async fn new() -> Bench {
        Bench::with(Policy::for_tests()).await
    }

    async fn with(policy: Policy) -> Bench {
        let engine = Arc::new(Memory::new());
        let passphrase = Passphrase::from("a passphrase for tests".to_owned());
        let (keyring, _) = Keyring::create(&passphrase, KdfParameters::FLOOR, [7; 16]).unwrap();
        let vault = Vault::open(engine.clone(), keyring, policy).await.unwrap();
        let org = vault.create_org(OPERATOR, "acme".parse().unwrap()).await.unwrap();
        Bench { engine, vault, org: org.id }
    }

    /// The same store under another policy.
    async fn under(self, policy: Policy) -> Bench {
        let Ok(inner) = Arc::try_unwrap(self.vault.0) else { panic!("somebody has the vault") };
        Bench { vault: Vault(Arc::new(Inner { policy: parking_lot::RwLock::new(policy), ..inner })), ..self }
    }

    /// A caller that may do everything, everywhere.
    fn caller<N: Need>(&self, reach: Reach) -> Caller<N> {
        Caller::new(self.org, Actor::Operator, reach, Credential::ApiKey(Permissions::ALL)).unwrap()
    }

    /// Whoever holds a token of this account in the environment `test`.
    async fn caller_of<N: Need>(&self, account: &str) -> Caller<N> {
        let tokens = self.vault.issue_tokens(&self.at().await, &ids(Some(account)), false).await.unwrap();
        self.vault.authenticate_token(tokens.token.expose()).await.unwrap()
    }

    /// That caller in the environment `test`.
    async fn at<N: Need>(&self) -> CallerIn<N> {
        let named = NamedEnvironment { query: Some("test"), header: None };
        self.vault.enter(self.caller(Reach::All), named).await.unwrap()
    }

    async fn define(&self, name: &str, scope: Scope, encrypted: bool) -> Id {
        let new = NewDefinition {
            name: name.parse().unwrap(),
            description: Default::default(),
            scope,
            format: Format::String,
            encrypted,
            required: false,
        };
        self.vault.create_definition(&self.caller(Reach::All), new).await.unwrap().id
    }

    async fn set(&self, definition: Id, account: Option<&str>, text: &str) -> Result<FoundValue, Error> {
        let request = SetValue {
            definition: Some(definition),
            ids: ids(account),
            value: text.to_owned().into(),
            precondition: Precondition::default(),
        };
        self.vault.set_value(&self.at().await, &request).await
    }

    async fn reveal(&self, definition: Id, account: Option<&str>) -> Result<String, Error> {
        match self.vault.reveal_value(&self.at().await, Some(definition), &ids(account)).await?.shown {
            ShownContent::Plain(text) => Ok(text),
            ShownContent::Revealed(text) => Ok(text.expose_str().unwrap().into()),
            ShownContent::Redacted => panic!("a reveal redacts nothing"),
        }
    }

    fn holds(&self, text: &str) -> bool {
        let is_in = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        Tree::ALL.into_iter().any(|tree| {
            self.engine.dump(tree).iter().any(|record| is_in(&record.key) || is_in(&record.value))
        })
    }

    /// Puts `bytes` where a value is, past all rules.
    async fn overwrite(&self, key: Vec<u8>, bytes: Vec<u8>) {
        self.engine.commit(Batch::new().put(Tree::Values, key, bytes)).await.unwrap();
    }
}

fn ids(account: Option<&str>) -> SubjectIds {
    let mut ids = SubjectIds::default();
    if let Some(account) = account {
        ids.name_account(account.as_bytes()).unwrap();
    }
    ids
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn a_sealed_value_opens_where_it_was_sealed_and_nowhere_else() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("SECRET", Scope::LinkedAccount, true).await;
        bench.set(definition, Some("mark"), PLANTED).await.unwrap();
        bench.set(definition, Some("eve"), "eve's own").await.unwrap();
        assert!(!bench.holds(PLANTED), "no plaintext in the store");
        assert_eq!(bench.reveal(definition, Some("mark")).await.unwrap(), PLANTED);

        let values = bench.engine.dump(Tree::Values);
        let of = |account: &str| {
            values.iter().find(|v| String::from_utf8_lossy(&v.key).contains(account)).unwrap()
        };
        bench.overwrite(of("eve").key.clone(), of("mark").value.clone()).await;
        let moved = bench.reveal(definition, Some("eve")).await;
        assert!(matches!(moved, Err(Error::Unsealable(_))), "moved to another account");
    });
}

#[test]
fn an_old_content_put_under_a_new_version_does_not_open() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("SECRET", Scope::Org, true).await;
        bench.set(definition, None, "old").await.unwrap();
        let old = bench.engine.dump(Tree::Values).remove(0);
        bench.set(definition, None, "new").await.unwrap();
        let new = bench.engine.dump(Tree::Values).remove(0);
        let old_value: crate::model::Value = record::decode(&old.value).unwrap();
        let mut forged: crate::model::Value = record::decode(&new.value).unwrap();
        forged.content = old_value.content;
        bench.overwrite(new.key, record::encode(&forged).unwrap()).await;
        assert!(matches!(bench.reveal(definition, None).await, Err(Error::Unsealable(_))));
    });
}

#[test]
fn a_definition_that_becomes_encrypted_leaves_no_plaintext_behind() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("LATE", Scope::LinkedAccount, false).await;
        for account in 0..20 {
            bench.set(definition, Some(&format!("account-{account}")), PLANTED).await.unwrap();
        }
        assert!(bench.holds(PLANTED));
        let commits = bench.engine.commits();
        let patch = DefinitionPatch { encrypted: Some(true), ..DefinitionPatch::default() };
        bench.vault.patch_definition(&bench.caller(Reach::All), Some(definition), &patch).await.unwrap();
        assert_eq!(bench.engine.commits(), commits + 1, "one durable change");
        assert!(!bench.holds(PLANTED));
        assert_eq!(bench.reveal(definition, Some("account-3")).await.unwrap(), PLANTED);
    });
}

#[test]
fn a_definition_deleted_by_force_leaves_nothing_behind() {
    block_on(async {
        let bench = Bench::new().await;
        let kept = bench.define("KEPT", Scope::LinkedAccount, false).await;
        let definition = bench.define("GONE", Scope::LinkedAccount, true).await;
        for account in ["a", "b", "c"] {
            bench.set(definition, Some(account), "text").await.unwrap();
            bench.set(kept, Some(account), "text").await.unwrap();
        }
        let refused = bench.vault.delete_definition(&bench.caller(Reach::All), Some(definition), false).await;
        assert!(matches!(refused, Err(Error::DefinitionInUse(3))));
        let commits = bench.engine.commits();
        bench.vault.delete_definition(&bench.caller(Reach::All), Some(definition), true).await.unwrap();
        assert_eq!(bench.engine.commits(), commits + 1, "one durable change");
        assert!(!bench.holds(&definition.to_string()), "no key names it");
        assert_eq!(bench.engine.dump(Tree::Values).len(), 3);
        assert_eq!(bench.engine.dump(Tree::ValueIds).len(), 3);
        for counter in bench.engine.dump(Tree::Counters) {
            let total = decode_counter(&counter.value).unwrap();
            let expected = if counter.key.starts_with(b"values/") || counter.key.starts_with(b"definitions/")
            {
                1
            } else {
                3
            };
            assert_eq!(total, expected, "{}", String::from_utf8_lossy(&counter.key));
        }
    });
}

#[test]
fn of_many_first_sets_at_once_one_makes_the_value_and_the_others_replace_it() {
    block_on(async {
        let bench = Arc::new(Bench::new().await);
        let definition = bench.define("RACE", Scope::LinkedAccount, true).await;
        bench.engine.freeze();
        let local = tokio::task::LocalSet::new();
        let setters: Vec<_> = (0..50)
            .map(|i| {
                let bench = bench.clone();
                local.spawn_local(async move {
                    bench.set(definition, Some("one"), &format!("{i}")).await.unwrap()
                })
            })
            .collect();
        local
            .run_until(async {
                tokio::task::yield_now().await;
                bench.engine.release();
                let mut versions = Vec::new();
                for setter in setters {
                    versions.push(setter.await.unwrap().value.version);
                }
                versions.sort_unstable();
                assert_eq!(versions, (1..=50).collect::<Vec<_>>());
            })
            .await;
        assert_eq!(bench.engine.dump(Tree::Values).len(), 1);
        assert_eq!(bench.engine.dump(Tree::ValueIds).len(), 1);
        assert_eq!(bench.engine.dump(Tree::Accounts).len(), 1);
    });
}

#[test]
fn a_reveal_that_cannot_be_recorded_shows_nothing() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("SECRET", Scope::Org, true).await;
        bench.set(definition, None, PLANTED).await.unwrap();
        let chain = key::audit_chain(Some(bench.org));
        let entries =
            || bench.engine.dump(Tree::Audit).iter().filter(|found| found.key.starts_with(&chain)).count();
        let before = entries();
        bench.engine.fail_next(store::Error::Full);
        let refused = bench.reveal(definition, None).await;
        assert!(matches!(refused, Err(Error::Store(store::Error::Full))));
        assert_eq!(entries(), before);
        bench.reveal(definition, None).await.unwrap();
        assert_eq!(entries(), before + 1);
    });
}

#[test]
fn a_store_that_fails_is_said_and_reads_go_on() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("PLAIN", Scope::Org, false).await;
        bench.set(definition, None, "text").await.unwrap();
        bench.engine.crash();
        let refused = bench.set(definition, None, "lost").await;
        assert!(matches!(refused, Err(Error::Store(store::Error::Unavailable(_)))));
        assert!(!bench.vault.is_writable());
        assert_eq!(bench.reveal(definition, None).await.unwrap(), "text");
    });
}

#[test]
fn a_key_for_all_environments_must_name_one_that_exists() {
    block_on(async {
        let bench = Bench::new().await;
        let all = bench.caller::<need::Read>(Reach::All);
        let enter = async |query: Option<&'static str>, header: Option<&'static [u8]>| {
            bench.vault.enter(all.clone(), NamedEnvironment { query, header }).await
        };
        assert!(enter(Some("production"), None).await.is_ok());
        assert!(enter(Some("production"), Some(b"production")).await.is_ok());
        assert!(enter(Some(""), Some(b"test")).await.is_ok(), "an empty name names nothing");
        for (query, header) in [
            (None, None),
            (Some("nowhere"), None),
            (None, Some(&b"\xff"[..])),
            (Some("test"), Some(b"production")),
        ] {
            assert!(
                matches!(enter(query, header).await, Err(Error::InvalidRequest(_))),
                "{query:?} {header:?}"
            );
        }
        let test_only = bench.caller::<need::Read>(Reach::One(Environment::test()));
        for name in ["production", "nowhere", "Test"] {
            let named = NamedEnvironment { query: Some(name), header: None };
            let refused = bench.vault.enter(test_only.clone(), named).await;
            assert!(matches!(refused, Err(Error::Forbidden(_))), "{name}");
        }
    });
}

#[test]
fn a_set_is_one_batch_of_the_value_its_indexes_and_its_counters() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("NEW", Scope::LinkedAccount, false).await;
        let commits = bench.engine.commits();
        bench.set(definition, Some("a"), "1").await.unwrap();
        assert_eq!(bench.engine.commits(), commits + 1);
        let revision = bench.engine.dump(Tree::Values)[0].revision;
        for tree in [Tree::ValueIds, Tree::DefinitionValues, Tree::Accounts] {
            assert_eq!(bench.engine.dump(tree)[0].revision, revision, "{}", tree.name());
        }
        // Replacing touches the value alone.
        let replaced = bench.set(definition, Some("a"), "2").await.unwrap();
        assert_eq!(replaced.value.version, 2);
        assert_eq!(bench.engine.dump(Tree::ValueIds)[0].revision, revision);
    });
}

#[test]
fn a_context_has_a_limit_on_its_bytes() {
    block_on(async {
        let bench = Bench::new().await;
        let text = "v".repeat(65_536);
        for n in 0..257 {
            let definition = bench.define(&format!("V{n}"), Scope::Org, false).await;
            bench.set(definition, None, &text).await.unwrap();
            let context = bench.vault.context(&bench.at().await, &ids(None), false).await;
            match context {
                Ok(context) => assert_eq!(context.variables.len(), n + 1),
                Err(error) => assert!(n == 256 && matches!(error, Error::TooLarge(_)), "{n}: {error}"),
            }
        }
    });
}
