//! The trail over an engine that can be tampered with: what is found, and what pruning leaves.

use super::*;
use crate::model::{Timestamp, UserAgent};
use crate::store::chain;

async fn bench(keep: Duration) -> (Bench, Id) {
    let bench = Bench::with(Policy { audit_lifetime: keep, ..Policy::for_tests() }).await;
    let definition = bench.define("V", Scope::LinkedAccount, false).await;
    (bench, definition)
}

async fn set_often(bench: &Bench, definition: Id, account: &str, times: usize) {
    for number in 0..times {
        bench.set(definition, Some(account), &number.to_string()).await.unwrap();
    }
}

/// What is wrong with the organization's chain, and how many of its entries were verified.
async fn verified(bench: &Bench) -> (Option<String>, u64) {
    let name = bench.org.to_string();
    let outline = bench.vault.audit_outline().await.unwrap();
    let head = outline.heads.iter().find(|head| head.chain == name).unwrap();
    let part = bench.vault.verify_audit(&name, 0, "", head.seq, &[]).await.unwrap();
    assert!(part.fault.is_some() || (part.seq, &part.hash) == (head.seq, &head.hash));
    (part.fault, part.entries)
}

fn link(bench: &Bench, number: u64) -> Vec<u8> {
    chain::key(&key::audit_chain(Some(bench.org)), number)
}

async fn raw(bench: &Bench, number: u64) -> Vec<u8> {
    bench.engine.get(Tree::Audit, &link(bench, number)).await.unwrap().unwrap().value
}

async fn put(bench: &Bench, number: u64, value: Vec<u8>) {
    bench.engine.commit(Batch::new().put(Tree::Audit, link(bench, number), value)).await.unwrap();
}

#[test]
fn tampering_with_the_store_is_named_at_its_first_entry() {
    block_on(async {
        let (bench, definition) = bench(Duration::from_secs(3600)).await;
        set_often(&bench, definition, "ann", 8).await;
        assert_eq!(verified(&bench).await, (None, 10));
        let named = |number: u64, what: &str| format!("entry {number} of chain {} {what}", bench.org);
        let (third, fourth) = (raw(&bench, 3).await, raw(&bench, 4).await);
        for at in [0, 5, third.len() / 2, third.len() - 1] {
            let mut changed = third.clone();
            changed[at] ^= 1;
            put(&bench, 3, changed).await;
            assert_eq!(verified(&bench).await.0, Some(named(3, "was changed")), "byte {at}");
        }
        put(&bench, 3, vec![1; 8]).await;
        assert_eq!(verified(&bench).await.0, Some(named(3, "was changed")), "too short");
        put(&bench, 3, fourth.clone()).await;
        put(&bench, 4, third.clone()).await;
        assert_eq!(verified(&bench).await.0, Some(named(3, "was changed")), "swapped");
        put(&bench, 3, third).await;
        put(&bench, 4, fourth).await;
        assert_eq!(verified(&bench).await.0, None);
        bench.engine.commit(Batch::new().delete(Tree::Audit, link(&bench, 3))).await.unwrap();
        let why = verified(&bench).await.0.unwrap();
        assert!(why.starts_with(&named(3, "was removed or moved: entry 4")), "{why}");
    });
}

/// Exports a chain that was pruned, and changes its first line, the checkpoint.
async fn check_pruned_export(bench: &Bench) {
    let name = bench.org.to_string();
    let lines = bench.vault.audit_lines(&name, 0, u64::MAX).await.unwrap();
    let check = |first: &str| {
        let mut check = ExportCheck::new(bench.vault.audit_linker());
        let rest = lines[1..].iter().map(String::as_str);
        std::iter::once(first).chain(rest).try_for_each(|line| check.line(line).map(drop))
    };
    let checkpoint = &lines[0];
    assert_eq!(check(checkpoint), Ok(()));
    for (old, new) in [
        ("\"seq\":307", "\"seq\":306"),
        ("\"seq\":307", "\"seq\": 307"),
        ("Z\"", "+00:00\""),
        ("\"mac\":\"", "\"mac\":\"0"),
        (&name, "store"),
    ] {
        let changed = checkpoint.replace(old, new);
        assert_ne!(changed, *checkpoint, "{old}");
        check(&changed).unwrap_err();
    }
    let missing = check(&lines[1]).unwrap_err().to_string();
    assert!(missing.contains("entry 1 of chain"), "{missing}");
}

#[test]
fn what_is_pruned_leaves_a_checkpoint_and_the_rest_verifies_and_is_listed() {
    block_on(async {
        let (bench, definition) = bench(Duration::ZERO).await;
        set_often(&bench, definition, "gone", 300).await;
        set_often(&bench, definition, "kept", 5).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let pruned = bench.vault.prune_audit().await.unwrap();
        // A definition, two accounts, and the values; the organization itself is in the store's chain.
        assert_eq!(pruned, 307, "all but the newest");
        assert_eq!(verified(&bench).await, (None, 1));
        let caller = bench.caller::<need::Audit>(Reach::One(Environment::test()));
        let page = PageRequest::parse(None, None).unwrap();
        let shown = bench.vault.list_audit(&caller, &Default::default(), page).await.unwrap();
        assert_eq!((shown.total, shown.docs.len()), (1, 1));
        set_often(&bench, definition, "gone", 3).await;
        assert_eq!(verified(&bench).await, (None, 4));
        check_pruned_export(&bench).await;
        let shown = bench.vault.list_audit(&caller, &Default::default(), page).await.unwrap();
        let numbers: Vec<_> = shown.docs.iter().map(|doc| doc.number).collect();
        assert_eq!((shown.total, numbers), (4, vec![311, 310, 309, 308]));
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(bench.vault.prune_audit().await.unwrap(), 3);
        assert_eq!(verified(&bench).await, (None, 1));
        // Of each range the newest, which what comes next is numbered after; checkpoints; the store's chain.
        let left = bench.engine.dump(Tree::Audit).len();
        assert!(left <= 10, "{left} records are left");
        set_often(&bench, definition, "kept", 2).await;
        let own = bench.caller_of("kept").await;
        let shown = bench.vault.list_audit(&own, &Default::default(), page).await.unwrap();
        // An account whose entries were all pruned; the third is its session.
        assert_eq!((shown.total, shown.docs.len()), (3, 3));
    });
}

#[test]
fn a_checkpoint_cannot_be_moved_or_made_by_somebody_else() {
    block_on(async {
        let (bench, definition) = bench(Duration::ZERO).await;
        set_often(&bench, definition, "ann", 5).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        bench.vault.prune_audit().await.unwrap();
        let checkpoint_key = key::audit_checkpoint(Some(bench.org));
        let good = bench.engine.get(Tree::Audit, &checkpoint_key).await.unwrap().unwrap().value;
        for at in 1..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            bench
                .engine
                .commit(Batch::new().put(Tree::Audit, checkpoint_key.as_slice(), changed))
                .await
                .unwrap();
            let name = bench.org.to_string();
            let told = bench.vault.verify_audit(&name, 0, "", 7, &[]).await;
            let found = told.is_err() || told.is_ok_and(|part| part.fault.unwrap().contains("checkpoint"));
            assert!(found, "byte {at}");
        }
        bench.engine.commit(Batch::new().delete(Tree::Audit, checkpoint_key.as_slice())).await.unwrap();
        assert!(
            verified(&bench).await.0.unwrap().contains("entry 1 of chain"),
            "without it, entries are missing"
        );
    });
}

#[test]
fn numbers_beyond_all_entries_are_answered() {
    block_on(async {
        let (bench, definition) = bench(Duration::from_secs(60)).await;
        set_often(&bench, definition, "ann", 2).await;
        let name = bench.org.to_string();
        for after in [4, u64::MAX - 1, u64::MAX] {
            assert_eq!(bench.vault.audit_lines(&name, after, u64::MAX).await.unwrap(), [] as [String; 0]);
            let hash = "0".repeat(64);
            let part = bench.vault.verify_audit(&name, after, &hash, u64::MAX, &[]).await.unwrap();
            assert_eq!(part.fault.is_some(), after < u64::MAX, "{after}");
        }
    });
}

#[test]
fn a_chain_that_was_tampered_with_is_not_pruned_over() {
    block_on(async {
        let (bench, definition) = bench(Duration::ZERO).await;
        set_often(&bench, definition, "ann", 5).await;
        let mut third = raw(&bench, 3).await;
        third[4] ^= 1;
        put(&bench, 3, third).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(bench.vault.prune_audit().await.unwrap(), 2, "up to there");
        assert_eq!(bench.vault.prune_audit().await.unwrap(), 0);
        assert_eq!(verified(&bench).await.0.unwrap(), format!("entry 3 of chain {} was changed", bench.org));
    });
}

#[test]
fn what_is_young_stays() {
    block_on(async {
        let (bench, definition) = bench(Duration::from_secs(3600)).await;
        set_often(&bench, definition, "ann", 300).await;
        assert_eq!(bench.vault.prune_audit().await.unwrap(), 0);
        assert_eq!(verified(&bench).await, (None, 302));
    });
}

#[test]
fn an_act_and_its_entry_stand_or_fall_together() {
    block_on(async {
        let (bench, definition) = bench(Duration::from_secs(3600)).await;
        let before = verified(&bench).await.1;
        for error in [store::Error::Full, store::Error::Busy] {
            bench.engine.fail_next(error);
            assert!(bench.set(definition, Some("ann"), "v").await.is_err());
        }
        assert_eq!(verified(&bench).await.1, before);
        let commits = bench.engine.commits();
        bench.set(definition, Some("ann"), "v").await.unwrap();
        assert_eq!(bench.engine.commits(), commits + 1, "one change");
        assert_eq!(verified(&bench).await.1, before + 2, "the account and the value");
    });
}

#[test]
fn refusals_that_cannot_be_written_are_counted_and_written_later() {
    block_on(async {
        let (bench, _) = bench(Duration::from_secs(3600)).await;
        let origin = Origin { ip: "192.0.2.7".parse().ok(), ..Origin::default() };
        let refuse =
            || bench.vault.credential_refused(ShownCredential::ApiKey(Some("wrong")), origin.clone());
        bench.engine.fail_next(store::Error::Full);
        for _ in 0..10 {
            refuse().await;
        }
        bench.engine.fail_next(store::Error::Full);
        assert!(bench.vault.write_all_refusals().await.is_err());
        bench.vault.write_all_refusals().await.unwrap();
        let lines = bench.vault.audit_lines("store", 1, 100).await.unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("\"count\":10") && lines[0].contains("192.0.2.7"), "{lines:?}");
    });
}

#[test]
fn every_entry_is_read_back_from_its_line() {
    use crate::model::{AuditActor, AuditEntry, AuditEvent, Entity, EntityId, EntityKind};
    let id = Id::from_bytes([7; 12]);
    let actors = [
        AuditActor::Operator(OPERATOR),
        AuditActor::ApiKey { id, name: String::new() },
        AuditActor::ApiKey { id, name: "quoted \" and \\ and é".into() },
        AuditActor::LinkedAccount { id, account_id: "mark@acme.com".parse().unwrap() },
        AuditActor::Unknown,
        AuditActor::Store,
    ];
    let origins = [
        Origin::default(),
        Origin {
            ip: "2001:db8::1".parse().ok(),
            user_agent: Some(UserAgent::cleaned(b"a\"b\x1b\xff\xe2\x80\xa8")),
            request_id: Some("r.1".into()),
        },
        Origin { ip: "::ffff:192.0.2.1".parse().ok(), ..Origin::default() },
    ];
    for (number, event) in AuditEvent::ALL.iter().enumerate() {
        for kind in EntityKind::ALL {
            let text = matches!(kind, EntityKind::Workflow | EntityKind::Environment);
            let ids = [None, Some(if text { EntityId::Text("a/b".into()) } else { EntityId::Id(id) })];
            for (entity_id, actor) in ids.iter().zip(actors.iter().cycle().skip(number)) {
                let entry = AuditEntry {
                    id,
                    created_at: Timestamp::from_millis(1_781_615_366_000 + number as i64),
                    event: *event,
                    actor: actor.clone(),
                    entity: Entity { kind: *kind, id: entity_id.clone(), name: Some("n".into()) },
                    environment: (number % 2 == 0).then(Environment::test),
                    linked_account: (number % 3 == 0).then(|| "ann/1".parse().unwrap()),
                    origin: origins[number % 3].clone(),
                    count: (number % 2 == 1).then_some(number as u64),
                };
                crate::vault::audit::check_line(&entry);
            }
        }
    }
}

#[test]
fn a_page_costs_what_it_shows_however_long_the_trail_is() {
    block_on(async {
        let (bench, definition) = bench(Duration::from_secs(3600)).await;
        let caller = |reach: Reach| bench.caller::<need::Audit>(reach);
        let cost = async |reach: Reach, page: &str| {
            let page = PageRequest::parse(Some(page), None).unwrap();
            let before = bench.engine.reads();
            let shown = bench.vault.list_audit(&caller(reach), &Default::default(), page).await.unwrap();
            assert_eq!(shown.docs.len(), 10);
            bench.engine.reads() - before
        };
        set_often(&bench, definition, "ann", 100).await;
        let one = || Reach::One(Environment::test());
        let few = [cost(Reach::All, "1").await, cost(one(), "1").await];
        assert!(few.iter().all(|reads| *reads <= 25), "{few:?}");
        set_often(&bench, definition, "ann", 3000).await;
        assert_eq!([cost(Reach::All, "1").await, cost(one(), "1").await], few);
        assert_eq!([cost(Reach::All, "300").await, cost(one(), "300").await], few, "far back too");
    });
}
