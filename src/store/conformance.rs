//! What every engine must do. One suite, run over each of them.

mod chains;

use std::future::Future;
use std::sync::Arc;

pub(in crate::store) use chains::*;

use super::memory::Memory;
use super::{Batch, Engine, Error, Revision, Tree, decode_counter};

/// Runs a test's future on a runtime of its own.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A batch that puts one value.
pub(super) fn put(key: &str, value: &str) -> Batch {
    Batch::new().put(Tree::Values, key, value)
}

/// Runs the suite for an engine; `$open` gives an empty store and what keeps it alive.
macro_rules! conformance {
    ($engine:ident, $open:expr) => {
        mod $engine {
            use super::*;

            conformance!(@tests $open;
                a_batch_changes_every_tree_or_none,
                a_requirement_holds_or_nothing_is_written,
                requirements_see_the_store_before_the_batch,
                counters_add_up_whatever_the_order,
                a_counter_that_is_none_refuses,
                later_writes_of_a_batch_win,
                additions_see_earlier_writes_of_their_batch,
                scans_are_ordered_bounded_and_resumable,
                a_prefix_keeps_to_itself,
                trees_keep_to_themselves,
                records_carry_the_revision_that_wrote_them,
                deleted_is_absent,
                a_read_after_a_commit_sees_it_in_every_tree,
                values_of_all_sizes_come_back,
                one_winner_for_each_revision,
                concurrent_additions_all_count,
                scans_see_no_batch_in_part,
                appends_are_numbered_and_linked,
                a_batch_that_is_refused_leaves_no_gap,
                concurrent_appends_make_one_chain,
                a_chain_goes_on_after_its_old_end_is_deleted,
            );
        }
    };
    (@tests $open:expr; $($test:ident,)*) => {
        $(#[test]
        fn $test() {
            let (store, _guard) = $open;
            block_on(super::$test(Arc::new(store)));
        })*
    };
}

conformance!(memory, (Memory::new(), ()));
conformance!(embedded, super::super::embedded::tests::empty_store());

async fn value(store: &impl Engine, tree: Tree, key: &str) -> Option<String> {
    let record = store.get(tree, key.as_bytes()).await.unwrap()?;
    Some(String::from_utf8(record.value).unwrap())
}

async fn revision(store: &impl Engine, key: &str) -> Option<Revision> {
    store.get(Tree::Values, key.as_bytes()).await.unwrap().map(|record| record.revision)
}

async fn total(store: &impl Engine, key: &str) -> i64 {
    let record = store.get(Tree::Counters, key.as_bytes()).await.unwrap();
    record.map_or(0, |record| decode_counter(&record.value).unwrap())
}

async fn keys(store: &impl Engine, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let found = store.scan(Tree::Values, prefix.as_bytes(), after.map(str::as_bytes), limit).await.unwrap();
    found.into_iter().map(|record| String::from_utf8(record.key).unwrap()).collect()
}

async fn a_batch_changes_every_tree_or_none(store: Arc<impl Engine>) {
    let batch = |n: &str| {
        Batch::new()
            .put(Tree::Values, "v", n)
            .put(Tree::Audit, format!("a{n}"), n)
            .add(Tree::Counters, "n", 1)
            .delete(Tree::Orgs, "o")
    };
    store.commit(batch("1")).await.unwrap();
    let refused = store.commit(batch("2").require_absent(Tree::Values, "v")).await;
    assert!(matches!(refused, Err(Error::Conflict)));
    assert_eq!(value(&*store, Tree::Values, "v").await.as_deref(), Some("1"));
    assert_eq!(value(&*store, Tree::Audit, "a1").await.as_deref(), Some("1"));
    assert_eq!(value(&*store, Tree::Audit, "a2").await, None);
    assert_eq!(total(&*store, "n").await, 1);
}

/// Readers that never stop must not bring back what a commit replaced, in trees that are cached too.
async fn a_read_after_a_commit_sees_it_in_every_tree(store: Arc<impl Engine>) {
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (store.clone(), done.clone());
            std::thread::spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    for tree in Tree::ALL {
                        block_on(value(&*store, tree, "k"));
                    }
                }
            })
        })
        .collect();
    for round in 0..40 {
        for tree in Tree::ALL {
            let written = round.to_string();
            store.commit(Batch::new().put(tree, "k", written.as_str())).await.unwrap();
            assert_eq!(value(&*store, tree, "k").await, Some(written), "{}", tree.name());
        }
        for tree in Tree::ALL {
            store.commit(Batch::new().delete(tree, "k")).await.unwrap();
            assert_eq!(value(&*store, tree, "k").await, None, "{}", tree.name());
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

async fn a_requirement_holds_or_nothing_is_written(store: Arc<impl Engine>) {
    let first = store.commit(put("k", "1").require_absent(Tree::Values, "k")).await.unwrap();
    for stale in [
        put("k", "x").require_absent(Tree::Values, "k"),
        put("k", "x").require_version(Tree::Values, "k", Revision(first.0 + 1)),
        put("k", "x").require_version(Tree::Values, "other", first),
        put("k", "x").require_unchanged(Tree::Values, "k", None),
        put("k", "x").require_version(Tree::Values, "k", first).require_absent(Tree::Values, "k"),
    ] {
        assert!(matches!(store.commit(stale).await, Err(Error::Conflict)));
    }
    assert_eq!(value(&*store, Tree::Values, "k").await.as_deref(), Some("1"));
    let second = store.commit(put("k", "2").require_unchanged(Tree::Values, "k", Some(first))).await.unwrap();
    assert!(second > first);
    store.commit(Batch::new().delete(Tree::Values, "k")).await.unwrap();
    let gone = store.commit(put("k", "x").require_version(Tree::Values, "k", second)).await;
    assert!(matches!(gone, Err(Error::Conflict)));
    store.commit(put("k", "3").require_absent(Tree::Values, "k")).await.unwrap();
}

async fn requirements_see_the_store_before_the_batch(store: Arc<impl Engine>) {
    // The batch itself puts the key that it requires to be absent.
    store.commit(put("k", "1").put(Tree::Values, "k", "2").require_absent(Tree::Values, "k")).await.unwrap();
    assert_eq!(value(&*store, Tree::Values, "k").await.as_deref(), Some("2"));
}

async fn counters_add_up_whatever_the_order(store: Arc<impl Engine>) {
    for amount in [5, -2, 0, 7, -20] {
        store.commit(Batch::new().add(Tree::Counters, "n", amount)).await.unwrap();
    }
    assert_eq!(total(&*store, "n").await, -10);
    assert_eq!(total(&*store, "other").await, 0);
}

async fn a_counter_that_is_none_refuses(store: Arc<impl Engine>) {
    store.commit(Batch::new().put(Tree::Counters, "n", "text")).await.unwrap();
    let batch = put("k", "1").add(Tree::Counters, "n", 1);
    assert!(matches!(store.commit(batch).await, Err(Error::Damaged(_))));
    assert_eq!(value(&*store, Tree::Values, "k").await, None);
    store.commit(put("k", "2")).await.unwrap();
}

async fn later_writes_of_a_batch_win(store: Arc<impl Engine>) {
    store.commit(put("a", "1").delete(Tree::Values, "a").put(Tree::Values, "a", "2")).await.unwrap();
    store.commit(put("b", "1").delete(Tree::Values, "b")).await.unwrap();
    assert_eq!(value(&*store, Tree::Values, "a").await.as_deref(), Some("2"));
    assert_eq!(value(&*store, Tree::Values, "b").await, None);
}

async fn additions_see_earlier_writes_of_their_batch(store: Arc<impl Engine>) {
    let batch = Batch::new()
        .add(Tree::Counters, "n", 1)
        .add(Tree::Counters, "n", 1)
        .put(Tree::Counters, "m", 40_i64.to_be_bytes())
        .add(Tree::Counters, "m", 2)
        .add(Tree::Counters, "gone", 3)
        .delete(Tree::Counters, "gone")
        .add(Tree::Counters, "gone", 4);
    store.commit(batch).await.unwrap();
    assert_eq!(total(&*store, "n").await, 2);
    assert_eq!(total(&*store, "m").await, 42);
    assert_eq!(total(&*store, "gone").await, 4);
}

async fn scans_are_ordered_bounded_and_resumable(store: Arc<impl Engine>) {
    for key in ["p/c", "p/a", "q/a", "p/b", "o/z", "p/d"] {
        store.commit(put(key, "")).await.unwrap();
    }
    assert_eq!(keys(&*store, "p/", None, 10).await, ["p/a", "p/b", "p/c", "p/d"]);
    assert_eq!(keys(&*store, "p/", None, 2).await, ["p/a", "p/b"]);
    assert_eq!(keys(&*store, "p/", Some("p/b"), 10).await, ["p/c", "p/d"]);
    assert_eq!(keys(&*store, "p/", Some("p/bb"), 1).await, ["p/c"]);
    assert_eq!(keys(&*store, "p/", Some("p/d"), 10).await, [""; 0]);
    assert_eq!(keys(&*store, "p/", Some("z"), 10).await, [""; 0]);
    assert_eq!(keys(&*store, "p/", Some("a"), 1).await, ["p/a"]);
    assert_eq!(keys(&*store, "p/", None, 0).await, [""; 0]);
    assert_eq!(keys(&*store, "", None, 10).await.len(), 6);
}

async fn a_prefix_keeps_to_itself(store: Arc<impl Engine>) {
    for key in ["a", "a/1", "a0", "aa/1", "b/1", "a\u{7f}"] {
        store.commit(put(key, "")).await.unwrap();
    }
    assert_eq!(keys(&*store, "a/", None, 10).await, ["a/1"]);
    let high = Batch::new().put(Tree::Values, [0xff, 0xff], "").put(Tree::Values, [0xff, 0xff, 0xff], "");
    store.commit(high).await.unwrap();
    assert_eq!(store.scan(Tree::Values, &[0xff, 0xff], None, 10).await.unwrap().len(), 2);
}

async fn trees_keep_to_themselves(store: Arc<impl Engine>) {
    let batch = Tree::ALL.iter().fold(Batch::new(), |batch, tree| batch.put(*tree, "same", tree.name()));
    store.commit(batch).await.unwrap();
    for tree in Tree::ALL {
        assert_eq!(value(&*store, tree, "same").await.as_deref(), Some(tree.name()));
        assert_eq!(store.scan(tree, b"", None, 10).await.unwrap().len(), 1);
    }
}

async fn records_carry_the_revision_that_wrote_them(store: Arc<impl Engine>) {
    let first = store.commit(put("a", "1").put(Tree::Values, "b", "1")).await.unwrap();
    let second = store.commit(put("b", "2").add(Tree::Counters, "n", 1)).await.unwrap();
    assert_eq!(second, Revision(first.0 + 1));
    assert_eq!(revision(&*store, "a").await, Some(first));
    assert_eq!(revision(&*store, "b").await, Some(second));
    let scanned = store.scan(Tree::Values, b"", None, 10).await.unwrap();
    assert_eq!(scanned.iter().map(|record| record.revision).collect::<Vec<_>>(), [first, second]);
}

async fn deleted_is_absent(store: Arc<impl Engine>) {
    store.commit(put("a", "1")).await.unwrap();
    let batch = Batch::new().delete(Tree::Values, "a").delete(Tree::Values, "never").freeing_space();
    store.commit(batch).await.unwrap();
    assert_eq!(revision(&*store, "a").await, None);
    assert_eq!(keys(&*store, "", None, 10).await, [""; 0]);
}

async fn values_of_all_sizes_come_back(store: Arc<impl Engine>) {
    let sizes = [0, 1, 4095, 4096, 4097, 8192, 8193, 65_536, 1_000_000, 4097, 0];
    for (n, size) in sizes.into_iter().enumerate() {
        let bytes: Vec<u8> = (0..size).map(|i| (i * 31 + n) as u8).collect();
        // The same key shrinks and grows; its neighbours stay.
        let batch =
            Batch::new().put(Tree::Values, "k", bytes.clone()).put(Tree::Values, format!("k{n:02}"), bytes);
        store.commit(batch).await.unwrap();
        let records = store.scan(Tree::Values, b"", None, 100).await.unwrap();
        assert_eq!(records.len(), n + 2);
        assert_eq!(records[0].value, records[n + 1].value);
        assert_eq!(records[0].value.len(), size);
        assert_eq!(store.get(Tree::Values, b"k").await.unwrap().unwrap(), records[0]);
    }
}

async fn one_winner_for_each_revision(store: Arc<impl Engine>) {
    store.commit(put("k", "")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut won = Vec::new();
            while won.len() < 5 {
                let seen = revision(&*store, "k").await.unwrap();
                match store.commit(put("k", &task.to_string()).require_version(Tree::Values, "k", seen)).await
                {
                    Ok(_) => won.push(seen),
                    Err(Error::Conflict) => tokio::task::yield_now().await,
                    Err(e) => panic!("{e}"),
                }
            }
            won
        });
    }
    let mut beaten: Vec<Revision> = tasks.join_all().await.into_iter().flatten().collect();
    beaten.sort();
    let all = beaten.len();
    beaten.dedup();
    assert_eq!((beaten.len(), all), (80, 80), "a revision was beaten twice");
}

async fn concurrent_additions_all_count(store: Arc<impl Engine>) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..32 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for n in 0..10 {
                let key = format!("{task}/{n}");
                store.commit(put(&key, "").add(Tree::Counters, "n", 1)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(total(&*store, "n").await, 320);
    assert_eq!(store.scan(Tree::Values, b"", None, 1000).await.unwrap().len(), 320);
}

async fn scans_see_no_batch_in_part(store: Arc<impl Engine>) {
    let batch = |n: u32| (0..20).fold(Batch::new(), |batch, i| batch.put(Tree::Values, [i], n.to_be_bytes()));
    store.commit(batch(0)).await.unwrap();
    let writer = std::thread::spawn({
        let store = Arc::clone(&store);
        move || {
            block_on(async {
                for n in 1..60 {
                    store.commit(batch(n)).await.unwrap();
                }
            });
        }
    });
    while !writer.is_finished() {
        let seen = store.scan(Tree::Values, b"", None, 100).await.unwrap();
        assert!(
            seen.iter().all(|record| record.value == seen[0].value && record.revision == seen[0].revision)
        );
    }
    writer.join().unwrap();
}
