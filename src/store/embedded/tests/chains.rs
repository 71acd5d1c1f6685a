//! Chains go on whatever became of the store between two appends.

use super::*;
use crate::store::conformance::entries;

fn add(store: &Embedded, from: usize, count: usize) {
    for number in from..from + count {
        let append = append("c/", &number.to_string(), &["v/"]);
        block_on(store.commit(Batch::new().append(append))).unwrap();
    }
}

/// The chain has the entries 0 to `count`, each bound to the one before it.
fn check(store: &Embedded, count: usize) {
    let found = block_on(entries(store, "c/", 1, chain::NO_TAG));
    assert_eq!(found, (0..count).map(|number| number.to_string()).collect::<Vec<_>>());
    let runs = store.scan_now(Tree::Audit, b"v/", None, usize::MAX).unwrap();
    let run = chain::Run { place: 1, number: 1, count: count as u64 };
    assert_eq!(runs.iter().map(|found| chain::Run::of(found).unwrap()).collect::<Vec<_>>(), [run]);
}

#[test]
fn a_chain_goes_on_after_a_close_a_kill_and_a_rebuild() {
    let (store, dir) = store_tuned(Tuning { base_bytes: 64 << 10, ..small() });
    add(&store, 0, 300);
    fill(&store, 60);
    eventually(|| store.stats().base_revision > Revision(0));
    store.close().unwrap();

    let store = reopen(dir.path()).unwrap();
    add(&store, 300, 10);
    let copy = killed(dir.path());
    let killed = reopen(copy.path()).unwrap();
    check(&killed, 310);
    add(&killed, 310, 10);
    check(&killed, 320);
    store.close().unwrap();

    std::fs::remove_dir_all(dir.path().join(INDEX_DIR)).unwrap();
    let store = reopen(dir.path()).unwrap();
    add(&store, 310, 10);
    check(&store, 320);
}

#[test]
fn what_was_withdrawn_leaves_no_gap() {
    let (store, dir) = empty_store();
    for spare in ["spare-2", "spare-0"] {
        std::os::unix::fs::symlink("/dev/full", dir.path().join(JOURNAL_DIR).join(spare)).unwrap();
    }
    let mut written = 0;
    let refused = loop {
        let append = append("c/", &written.to_string(), &["v/"]);
        match block_on(store.commit(Batch::new().append(append))) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the segments are full by now");
    };
    assert!(matches!(refused, Error::Full), "{refused:?}");
    check(&store, written);
    add(&store, written, 3);
    check(&store, written + 3);
}
