//! What every engine must do with chains.

use std::sync::Arc;

use super::{keys, put};
use crate::store::chain::{self, Append, Linker, Run, Tag};
use crate::store::{Batch, Engine, Error, Tree};

/// Tells what it was given, so that a test can follow it.
#[derive(Debug)]
struct Visible;

impl Linker for Visible {
    fn link(&self, chain: &[u8], number: u64, before: &Tag, entry: &[u8]) -> Tag {
        let text = [chain, b"#", number.to_string().as_bytes(), b"#", &before[..4], entry].concat();
        let mut tag = [crc32c::crc32c(&text) as u8; 32];
        tag[..4].copy_from_slice(&crc32c::crc32c(&text).to_be_bytes());
        tag
    }
}

/// An entry for a chain, which is in the views.
pub(in crate::store) fn append(chain: &str, entry: &str, views: &[&str]) -> Append {
    Append {
        tree: Tree::Audit,
        chain: chain.into(),
        entry: entry.into(),
        views: views.iter().map(|view| view.as_bytes().to_vec()).collect(),
        linker: Arc::new(Visible),
    }
}

/// The entries of a chain from `number` on, oldest first, whose tags and numbers are checked; `before` is the
/// tag of the one before them.
pub(in crate::store) async fn entries(
    store: &impl Engine,
    chain: &str,
    number: u64,
    before: Tag,
) -> Vec<String> {
    let (mut number, mut before, mut entries) = (number, before, Vec::new());
    let mut found = store.scan(Tree::Audit, chain.as_bytes(), None, usize::MAX).await.unwrap();
    found.reverse();
    for record in found {
        assert_eq!(chain::number(&record.key).unwrap(), number);
        let (entry, tag) = chain::split(&record.value).unwrap();
        assert_eq!(*tag, Visible.link(chain.as_bytes(), number, &before, entry));
        entries.push(String::from_utf8(entry.to_vec()).unwrap());
        (number, before) = (number + 1, *tag);
    }
    entries
}

/// The numbers of the entries in a view, oldest first.
async fn viewed(store: &impl Engine, view: &str) -> Vec<u64> {
    let found = store.scan(Tree::Audit, view.as_bytes(), None, usize::MAX).await.unwrap();
    let mut numbers = Vec::new();
    for run in found.iter().rev().map(|record| Run::of(record).unwrap()) {
        assert_eq!(run.place, numbers.len() as u64 + 1);
        assert_ne!(numbers.last().map(|last| last + 1), Some(run.number), "that is one run");
        numbers.extend(run.number..run.number + run.count);
    }
    numbers
}

pub(super) async fn appends_are_numbered_and_linked(store: Arc<impl Engine>) {
    let two = put("k", "1").append(append("c/", "a", &["v/"])).append(append("c/", "b", &[]));
    let revision = store.commit(two).await.unwrap();
    store.commit(Batch::new().append(append("other/", "x", &["v2/"]))).await.unwrap();
    store.commit(Batch::new().append(append("c/", "c", &["v/", "v2/"]))).await.unwrap();
    assert_eq!(entries(&*store, "c/", 1, chain::NO_TAG).await, ["a", "b", "c"]);
    assert_eq!(entries(&*store, "other/", 1, chain::NO_TAG).await, ["x"]);
    assert_eq!((viewed(&*store, "v/").await, viewed(&*store, "v2/").await), (vec![1, 3], vec![1, 3]));
    let oldest = store.get(Tree::Audit, &chain::key(b"c/", 1)).await.unwrap().unwrap();
    assert_eq!(oldest.revision, revision);
}

pub(super) async fn a_batch_that_is_refused_leaves_no_gap(store: Arc<impl Engine>) {
    store.commit(Batch::new().append(append("c/", "a", &["v/"]))).await.unwrap();
    let refused = Batch::new().require_absent(Tree::Values, "k").append(append("c/", "lost", &["v/"]));
    let counter = Batch::new().put(Tree::Counters, "n", "text");
    store.commit(put("k", "1").append(append("c/", "b", &["v/"]))).await.unwrap();
    assert!(matches!(store.commit(refused).await, Err(Error::Conflict)));
    store.commit(counter).await.unwrap();
    let damaged = Batch::new().append(append("c/", "lost", &["v/"])).add(Tree::Counters, "n", 1);
    assert!(matches!(store.commit(damaged).await, Err(Error::Damaged(_))));
    store.commit(Batch::new().append(append("c/", "c", &["v/"]))).await.unwrap();
    assert_eq!(entries(&*store, "c/", 1, chain::NO_TAG).await, ["a", "b", "c"]);
    assert_eq!(viewed(&*store, "v/").await, [1, 2, 3]);
}

pub(super) async fn concurrent_appends_make_one_chain(store: Arc<impl Engine>) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..32 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for n in 0..10 {
                let name = format!("{task}/{n}");
                // Some are refused in the middle of a group.
                let absent = if n % 3 == 2 { format!("{task}/0") } else { name.clone() };
                let batch = put(&name, "").require_absent(Tree::Values, absent);
                let batch = batch.append(append("c/", &name, &[if task % 2 == 0 { "v/" } else { "w/" }]));
                assert_eq!(store.commit(batch).await.is_ok(), n % 3 != 2);
            }
        });
    }
    tasks.join_all().await;
    let mut entries = entries(&*store, "c/", 1, chain::NO_TAG).await;
    entries.sort();
    let mut values = keys(&*store, "", None, 1000).await;
    values.sort();
    assert_eq!(entries, values);
    assert_eq!((viewed(&*store, "v/").await.len(), viewed(&*store, "w/").await.len()), (112, 112));
}

pub(super) async fn a_chain_goes_on_after_its_old_end_is_deleted(store: Arc<impl Engine>) {
    for entry in ["a", "b", "c"] {
        store.commit(Batch::new().append(append("c/", entry, &["v/"]))).await.unwrap();
    }
    let second = store.get(Tree::Audit, &chain::key(b"c/", 2)).await.unwrap().unwrap();
    let batch = [1, 2].into_iter().fold(Batch::new(), |batch, number| {
        batch.delete(Tree::Audit, chain::key(b"c/", number)).delete(Tree::Audit, chain::key(b"v/", number))
    });
    store.commit(batch).await.unwrap();
    store.commit(Batch::new().append(append("c/", "d", &["v/"]))).await.unwrap();
    assert_eq!(entries(&*store, "c/", 3, *chain::split(&second.value).unwrap().1).await, ["c", "d"]);
}
