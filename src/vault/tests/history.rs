//! History: what is kept, what is sealed, and what must not be left.

use super::*;
use crate::store::key;

fn policy(keep_versions: u32) -> Policy {
    Policy { keep_versions, ..Policy::for_tests() }
}

async fn set_many(bench: &Bench, definition: Id, account: &str, texts: impl Iterator<Item = String>) -> Id {
    let mut id = None;
    for text in texts {
        id = Some(bench.set(definition, Some(account), &text).await.unwrap().value.id);
    }
    id.unwrap()
}

fn kept(bench: &Bench) -> usize {
    bench.engine.dump(Tree::ValueVersions).len()
}

fn page() -> PageRequest {
    PageRequest::parse(None, Some("1000")).unwrap()
}

#[test]
fn what_falls_out_leaves_the_store() {
    block_on(async {
        for keep in [1, 2, 10] {
            let bench = Bench::with(policy(keep)).await;
            let definition = bench.define("V", Scope::LinkedAccount, false).await;
            set_many(&bench, definition, "a", (1..=30).map(|n| format!("text-{n:03}"))).await;
            assert_eq!(kept(&bench), keep as usize - 1);
            let oldest = 30 - keep + 1;
            assert!(!bench.holds(&format!("text-{:03}", oldest - 1)), "{keep}");
            assert!(bench.holds(&format!("text-{oldest:03}")), "{keep}");
        }
    });
}

#[test]
fn when_fewer_are_kept_the_rest_goes_in_steps() {
    block_on(async {
        let bench = Bench::with(policy(1_000)).await;
        let definition = bench.define("V", Scope::LinkedAccount, false).await;
        let id = set_many(&bench, definition, "a", (1..=200).map(|n| n.to_string())).await;
        assert_eq!(kept(&bench), 199);
        let bench = bench.under(policy(5)).await;
        let at = bench.at().await;
        let listed = bench.vault.list_versions(&at, Some(id), &ids(None), page()).await.unwrap();
        assert_eq!((listed.total, listed.docs.len()), (5, 5), "none beyond is shown");
        for (set, left) in [(1, 136), (2, 73), (3, 10), (4, 4), (5, 4)] {
            set_many(&bench, definition, "a", std::iter::once("x".to_owned())).await;
            assert_eq!(kept(&bench), left, "after {set} sets");
        }
        bench.vault.delete_account(&bench.at().await, "a".parse().ok()).await.unwrap();
        assert_eq!(kept(&bench), 0);
    });
}

#[test]
fn deletions_of_value_account_and_definition_take_the_history_along() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("V", Scope::LinkedAccount, true).await;
        let mut values = Vec::new();
        for account in ["one", "two", "three"] {
            values.push(set_many(&bench, definition, account, (0..4).map(|n| n.to_string())).await);
        }
        assert_eq!(kept(&bench), 9);
        let precondition = Precondition::default();
        let at = bench.at().await;
        bench.vault.delete_value(&at, Some(values[0]), &ids(None), &precondition).await.unwrap();
        assert_eq!(kept(&bench), 6);
        bench.vault.delete_account(&bench.at().await, "two".parse().ok()).await.unwrap();
        assert_eq!(kept(&bench), 3);
        let caller = bench.caller(Reach::All);
        bench.vault.delete_definition(&caller, Some(definition), true).await.unwrap();
        assert_eq!(kept(&bench), 0);
    });
}

#[test]
fn becoming_encrypted_leaves_no_plaintext_of_any_version() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("V", Scope::LinkedAccount, false).await;
        let id = set_many(&bench, definition, "a", (0..5).map(|n| format!("{PLANTED}-{n}"))).await;
        assert!(bench.holds(PLANTED));
        let commits = bench.engine.commits();
        let patch = DefinitionPatch { encrypted: Some(true), ..DefinitionPatch::default() };
        bench.vault.patch_definition(&bench.caller(Reach::All), Some(definition), &patch).await.unwrap();
        assert_eq!(bench.engine.commits(), commits + 1, "one change");
        assert!(!bench.holds(PLANTED));
        let at = bench.at().await;
        let revealed = bench.vault.reveal_versions(&at, Some(id), &ids(None), page()).await.unwrap();
        let texts: Vec<String> = revealed.docs.iter().map(|doc| doc.shown.text().to_owned()).collect();
        assert_eq!(texts, (0..5).rev().map(|n| format!("{PLANTED}-{n}")).collect::<Vec<_>>());
    });
}

#[test]
fn a_version_that_was_moved_or_renumbered_does_not_open() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("V", Scope::LinkedAccount, true).await;
        let own = set_many(&bench, definition, "own", ["a", "b", "c"].map(str::to_owned).into_iter()).await;
        let other = set_many(&bench, definition, "other", ["x", "y"].map(str::to_owned).into_iter()).await;
        let version = |value, number| key::value_version(bench.org, value, number);
        for (from, to) in [(version(other, 1), version(own, 1)), (version(own, 2), version(own, 1))] {
            let moved = bench.engine.get(Tree::ValueVersions, &from).await.unwrap().unwrap();
            let batch = Batch::new().put(Tree::ValueVersions, to, moved.value);
            bench.engine.commit(batch).await.unwrap();
            let (at, none) = (bench.at().await, Precondition::default());
            let rolled = bench.vault.roll_back_value(&at, Some(own), 1, &ids(None), &none).await;
            assert!(matches!(rolled, Err(Error::Unsealable(_))));
        }
    });
}
