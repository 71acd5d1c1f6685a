//! What is left when the index breaks, the disk is full, or more comes than can be written.

use std::process::Command;
use std::sync::mpsc;

use super::*;

/// A value under `key`.
fn put(key: &str, len: usize) -> Batch {
    Batch::new().put(Tree::Values, key, vec![7; len])
}

#[test]
fn a_panic_under_the_committer_ends_writing_and_nothing_else() {
    let (store, dir) = empty_store();
    fill(&store, 20);
    let before = contents(&store);
    store.shared.index().unwrap().trap.set();
    let answer = block_on(store.commit(put("x", 10).put(Tree::Audit, "x", "1")));
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    assert!(!store.is_writable());
    for _ in 0..3 {
        let answer = block_on(store.commit(put("y", 10)));
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }
    assert_eq!(contents(&store), before, "reads go on, and show what was acknowledged");
    store.close().unwrap();

    // It was synced before the index broke, so it is there, and all of it; what came after is not.
    let store = reopen(dir.path()).unwrap();
    let mut after = contents(&store);
    for tree in [Tree::Values, Tree::Audit] {
        let (_, revision) = after.remove(&(tree, b"x".to_vec())).unwrap();
        assert_eq!(revision, Revision(21));
    }
    assert_eq!(after, before);
    block_on(store.commit(put("y", 10))).unwrap();
}

#[test]
fn the_message_of_such_a_panic_is_not_printed() {
    let panicking =
        "store::embedded::tests::failing::a_panic_under_the_committer_ends_writing_and_nothing_else";
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", panicking, "--nocapture"])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(out.contains("1 passed"), "{out}{err}");
    assert!(!err.contains(trap::Trap::MESSAGE), "{err}");
}

#[test]
fn without_room_for_a_segment_a_commit_is_refused_whole() {
    let (store, dir) = empty_store();
    // The first spare is there already. The next one, and the one that is made in need, find a full disk.
    for spare in ["spare-2", "spare-0"] {
        std::os::unix::fs::symlink("/dev/full", dir.path().join(JOURNAL_DIR).join(spare)).unwrap();
    }
    let mut written = 0;
    let refused = loop {
        match block_on(store.commit(put(&format!("k{written:03}"), 100).add(Tree::Counters, "n", 1))) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the segments are full by now");
    };
    assert!(matches!(refused, Error::Full), "{refused:?}");
    let before = contents(&store);
    assert_eq!(before.len(), written + 1, "the values that were acknowledged, and their number");
    assert!(store.is_writable());
    block_on(store.commit(put("later", 100))).unwrap();
    store.close().unwrap();

    let store = reopen(dir.path()).unwrap();
    let mut after = contents(&store);
    assert_eq!(after.remove(&(Tree::Values, b"later".to_vec())).unwrap().1, Revision(written as u64 + 1));
    assert_eq!(after, before);
}

/// Runs `with` while the committer is in the middle of a commit, which is answered afterwards.
fn while_committing(store: &Embedded, with: impl FnOnce()) {
    block_on(store.commit(put("a", 1))).unwrap();
    let (entered, wait) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        // Whoever reads more than one key holds up the committer.
        scope.spawn(move || {
            let index = store.shared.index().unwrap();
            index
                .walk(Tree::Values, b"", None, |_| {
                    entered.send(()).unwrap();
                    let _ = left.recv();
                    ControlFlow::Break(())
                })
                .unwrap();
        });
        wait.recv().unwrap();
        let syncs = store.stats().syncs.count();
        let answer = store.queue.submit(put("b", 1)).unwrap();
        eventually(|| store.stats().syncs.count() > syncs);
        with();
        drop(leave);
        answer.blocking_recv().unwrap().unwrap();
    });
}

#[test]
fn a_full_queue_says_so_at_once_and_loses_nothing() {
    let (store, _dir) = store_tuned(Tuning { queue_batches: 4, ..small() });
    let mut waiting = Vec::new();
    while_committing(&store, || {
        waiting.extend((0..4).map(|n| store.queue.submit(put(&format!("w{n}"), 1)).unwrap()));
        assert!(matches!(store.queue.submit(put("x", 1)), Err(Error::Busy)));
        assert_eq!(store.stats().queue_depth, 4);
    });
    for answer in waiting {
        answer.blocking_recv().unwrap().unwrap();
    }
    assert_eq!(contents(&store).len(), 6);
    assert_eq!(store.stats().queue_depth, 0);
    block_on(store.commit(put("x", 1))).unwrap();
}

#[test]
fn a_large_batch_need_not_wait_for_an_empty_queue() {
    let (store, _dir) = store_tuned(Tuning { queue_bytes: 1000, ..small() });
    let mut waiting = Vec::new();
    while_committing(&store, || {
        waiting.push(store.queue.submit(put("small", 100)).unwrap());
        waiting.push(store.queue.submit(put("large", 5000)).unwrap());
        assert!(matches!(store.queue.submit(put("x", 1)), Err(Error::Busy)));
    });
    for answer in waiting {
        answer.blocking_recv().unwrap().unwrap();
    }
    block_on(store.commit(put("x", 1))).unwrap();
}
