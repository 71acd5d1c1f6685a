//! Linked accounts: what goes with them, and what a deletion must not leave.

use super::*;
use crate::store::key;

/// Which trees speak of `text`, counters included, but for the trail: what was done was done.
fn mentions(bench: &Bench, text: &str) -> Vec<&'static str> {
    let names = |tree: &Tree| {
        bench.engine.dump(*tree).iter().any(|record| String::from_utf8_lossy(&record.key).contains(text))
    };
    Tree::ALL.into_iter().filter(|tree| *tree != Tree::Audit).filter(names).map(Tree::name).collect()
}

#[test]
fn a_deletion_leaves_nothing_of_the_account_and_everything_of_others() {
    block_on(async {
        let bench = Bench::new().await;
        let definition = bench.define("V", Scope::LinkedAccount, true).await;
        for account in ["gone", "kept"] {
            bench.set(definition, Some(account), "text").await.unwrap();
            bench.vault.issue_tokens(&bench.at().await, &ids(Some(account)), false).await.unwrap();
        }
        let commits = bench.engine.commits();
        bench.vault.delete_account(&bench.at().await, "gone".parse().ok()).await.unwrap();
        assert_eq!(bench.engine.commits(), commits + 1, "one change");
        assert_eq!(mentions(&bench, "gone"), [""; 0]);
        for tree in [Tree::Values, Tree::ValueIds, Tree::DefinitionValues, Tree::Accounts, Tree::AccountIds] {
            assert_eq!(bench.engine.dump(tree).len(), 1, "{}", tree.name());
        }
        for tree in [Tree::Sessions, Tree::SessionIds] {
            assert_eq!(bench.engine.dump(tree).len(), 1, "{}", tree.name());
        }
        let counter_key = key::definition_values_counter(bench.org, definition);
        let counter = bench.engine.get(Tree::Counters, &counter_key).await.unwrap().unwrap();
        assert_eq!(decode_counter(&counter.value).unwrap(), 1);
        assert_eq!(bench.reveal(definition, Some("kept")).await.unwrap(), "text");
    });
}

#[test]
fn an_account_that_is_deleted_while_it_is_written_to_leaves_no_orphans() {
    let bench = block_on(Bench::new());
    let definitions = [("A", false), ("B", true)]
        .map(|(name, encrypted)| block_on(bench.define(name, Scope::LinkedAccount, encrypted)));
    let delete = || async {
        // Where another one was first there is no account.
        let _ = bench.vault.delete_account(&bench.at().await, "mark".parse().ok()).await;
    };
    for _ in 0..200 {
        std::thread::scope(|scope| {
            for definition in definitions {
                let bench = &bench;
                scope.spawn(move || block_on(bench.set(definition, Some("mark"), "text")).unwrap());
            }
            scope.spawn(|| {
                block_on(async {
                    let _ = bench.vault.issue_tokens(&bench.at().await, &ids(Some("mark")), true).await;
                });
            });
            scope.spawn(|| block_on(delete()));
        });
        block_on(delete());
        assert_eq!(mentions(&bench, "mark"), [""; 0]);
    }
    for tree in [Tree::ValueIds, Tree::SessionIds, Tree::AccountIds] {
        assert!(bench.engine.dump(tree).is_empty(), "{}", tree.name());
    }
}
