//! What a context costs.

use super::*;

#[test]
fn a_context_costs_what_it_has_whatever_else_the_store_holds() {
    block_on(async {
        let bench = Bench::new().await;
        let mut theirs = Vec::new();
        for n in 0..5 {
            theirs.push(bench.define(&format!("V{n}"), Scope::LinkedAccount, n % 2 == 0).await);
            bench.set(theirs[n], Some("mark"), "x").await.unwrap();
        }
        let mut costs = Vec::new();
        for accounts in [0, 10, 200] {
            for account in 0..accounts {
                for definition in &theirs {
                    bench.set(*definition, Some(&format!("other-{account}")), "y").await.unwrap();
                }
                bench.define(&format!("W{accounts}_{account}"), Scope::Workflow, false).await;
            }
            let (at, before) = (bench.at().await, bench.engine.reads());
            let context = bench.vault.context(&at, &ids(Some("mark")), false).await.unwrap();
            costs.push(bench.engine.reads() - before);
            assert_eq!(context.variables.len(), 5);
        }
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    });
}
