//! Snapshots and compactions, while commits go on.

use std::sync::atomic::AtomicBool;

use super::*;

fn put(store: &Embedded, key: &str, value: &[u8]) {
    block_on(store.commit(Batch::new().put(Tree::Values, key, value))).unwrap();
}

fn snapshot(store: &Embedded) -> (Revision, Contents) {
    let (mut all, mut before) = (Contents::new(), None);
    let snapshot = store.snapshot().unwrap();
    let revision = snapshot.revision();
    let whole = snapshot.read(|tree, key, revision, value| {
        let place = (tree, key.to_vec());
        assert!(before.replace(place.clone()) < Some(place.clone()), "in order, each once");
        all.insert(place, (value.to_vec(), revision));
        ControlFlow::Continue(())
    });
    assert!(whole.unwrap());
    (revision, all)
}

/// Whether any file below the store's directory has these bytes.
fn is_in_files(dir: &Path, marker: &[u8]) -> bool {
    files_of(dir).values().any(|bytes| bytes.windows(marker.len()).any(|window| window == marker))
}

#[test]
fn a_snapshot_is_all_records_as_of_one_commit() {
    let (store, _dir) = empty_store();
    assert_eq!(snapshot(&store), (Revision(0), contents(&store)));
    fill(&store, 60);
    assert_eq!(snapshot(&store), (Revision(60), contents(&store)));
    store.compact().unwrap();
    assert_eq!(snapshot(&store), (Revision(60), contents(&store)));
    block_on(store.commit(Batch::new().delete(Tree::Values, "k001").put(Tree::Audit, "a", "b"))).unwrap();
    put(&store, "k000", b"later");
    put(&store, "a", b"before all");
    assert_eq!(snapshot(&store), (Revision(63), contents(&store)));
    store.close().unwrap();
}

#[test]
fn a_snapshot_can_be_left_halfway() {
    let (store, _dir) = empty_store();
    fill(&store, 60);
    let mut seen = 0;
    let whole = store.snapshot().unwrap().read(|_, _, _, _| {
        seen += 1;
        if seen < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!((whole.unwrap(), seen), (false, 3));
}

#[test]
fn snapshots_and_compactions_among_writers_see_whole_commits_and_lose_none() {
    let (store, dir) = empty_store();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..4_usize {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                for turn in 0_usize.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // Two trees, one commit: never seen in part.
                    let (key, value) = (format!("{writer}/{}", turn % 50), turn.to_be_bytes().repeat(40));
                    let batch = Batch::new().put(Tree::Values, &*key, &*value).put(Tree::Audit, &*key, value);
                    block_on(store.commit(batch)).unwrap();
                }
            });
        }
        for _ in 0..8 {
            store.compact().unwrap();
            let (_, all) = snapshot(&store);
            let of = |tree| -> Vec<_> {
                all.iter().filter(|((of, _), _)| *of == tree).map(|((_, key), value)| (key, value)).collect()
            };
            assert_eq!(of(Tree::Values), of(Tree::Audit));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let before = contents(&store);
    assert_eq!(snapshot(&store).1, before);
    store.close().unwrap();
    drop(store);
    assert!(!dir.path().join(NEXT_INDEX_DIR).exists());
    let store = reopen(dir.path()).unwrap();
    assert_eq!(contents(&store), before);
}

#[test]
fn a_compaction_leaves_nothing_of_what_was_deleted_or_replaced() {
    let (store, dir) = empty_store();
    let large = [b"marker-large-".repeat(2000), b"end".to_vec()].concat();
    put(&store, "deleted", b"marker-deleted");
    put(&store, "replaced", b"marker-replaced");
    put(&store, "large", &large);
    fill(&store, 60);
    put(&store, "replaced", b"something else");
    let gone = Batch::new().delete(Tree::Values, "deleted").delete(Tree::Values, "large");
    block_on(store.commit(gone)).unwrap();
    // Everything that sled has is in its files.
    store.shared.index().unwrap().flush().unwrap();
    std::fs::create_dir(dir.path().join("sled.damaged-1")).unwrap();
    std::fs::write(dir.path().join("sled.damaged-1/db"), "marker-aside").unwrap();
    let markers = ["marker-deleted", "marker-replaced", "marker-large-", "marker-aside"];
    for marker in markers {
        assert!(is_in_files(dir.path(), marker.as_bytes()), "{marker} was planted");
    }
    let before = contents(&store);
    store.compact().unwrap();
    store.shared.index().unwrap().flush().unwrap();
    for marker in markers {
        assert!(!is_in_files(dir.path(), marker.as_bytes()), "{marker} is left");
    }
    assert_eq!(contents(&store), before);
    put(&store, "more", b"goes on");
    let before = contents(&store);
    // Twice, and through a close: each of the two places of the index is used.
    store.compact().unwrap();
    assert_eq!(contents(&store), before);
    store.close().unwrap();
    for marker in markers {
        assert!(!is_in_files(dir.path(), marker.as_bytes()), "{marker} is left after a close");
    }
    drop(store);
    let store = reopen(dir.path()).unwrap();
    assert_eq!(contents(&store), before);
    put(&store, "again", b"and again");
}

#[test]
fn a_compaction_that_fails_leaves_the_index_in_use() {
    let (store, dir) = empty_store();
    fill(&store, 60);
    let before = contents(&store);
    // No directory can be made where a file stands that cannot be removed as one.
    std::fs::write(dir.path().join(NEXT_INDEX_DIR), "in the way").unwrap();
    assert!(store.compact().is_err());
    assert_eq!(contents(&store), before);
    put(&store, "more", b"goes on");
    std::fs::remove_file(dir.path().join(NEXT_INDEX_DIR)).unwrap();
    store.compact().unwrap();
}

#[test]
fn a_process_that_dies_after_a_compaction_or_in_it_leaves_a_whole_store() {
    for in_between in [false, true] {
        let (store, dir) = empty_store();
        fill(&store, 60);
        store.compact().unwrap();
        put(&store, "more", b"goes on");
        let before = contents(&store);
        let copy = killed(dir.path());
        if in_between {
            let (index, next) = (copy.path().join(INDEX_DIR), copy.path().join(NEXT_INDEX_DIR));
            std::fs::create_dir(&index).unwrap();
            std::fs::copy(next.join("db"), index.join("db")).unwrap();
        }
        let opened = reopen(copy.path()).unwrap();
        assert_eq!(contents(&opened), before);
        assert!(!copy.path().join(NEXT_INDEX_DIR).exists());
    }
}

#[test]
fn an_index_that_grows_by_new_records_is_left() {
    let (store, _dir) = store_tuned(Tuning { index_bytes: 4 << 20, ..small() });
    let first = store.shared.index().unwrap().dir().to_owned();
    for number in 0..300_u32 {
        // Neither in the order of the keys nor against it, as values are set.
        let keys = (0..100_u32).map(|more| crc32c::crc32c(&(number * 100 + more).to_be_bytes()));
        let batch = keys.fold(Batch::new(), |batch, key| batch.put(Tree::Values, format!("{key:040}"), "v"));
        block_on(store.commit(batch)).unwrap();
        store.shared.index().unwrap().flush().unwrap();
    }
    let size = |path: &Path| files_of(path).values().map(Vec::len).sum::<usize>();
    assert!(size(&first) > 6 << 20, "it has grown enough to be looked at");
    store.work.lock().compact_if_due().unwrap();
    assert_eq!(store.shared.index().unwrap().dir(), first);
}

#[test]
fn how_large_a_new_index_would_be_is_about_known() {
    let (store, _dir) = empty_store();
    for value in [vec![], vec![7; 300], vec![7; 30_000]] {
        for number in 0..(2 << 20) / (value.len() + 500) {
            put(&store, &format!("{:040}/{}", number * 7919 % 10_000, value.len()), &value);
        }
    }
    let entries = (0..2000)
        .fold(Batch::new(), |batch, number| batch.put(Tree::Audit, chain::key(b"c/", number), vec![7; 200]));
    block_on(store.commit(entries)).unwrap();
    let of_it = || {
        let index = store.shared.index().unwrap();
        let size = files_of(index.dir()).values().map(Vec::len).sum::<usize>();
        index.fresh_bytes().unwrap() as f64 / size as f64
    };
    store.compact().unwrap();
    store.shared.index().unwrap().flush().unwrap();
    assert!((0.7..1.4).contains(&of_it()), "{}", of_it());
    let gone =
        (0..1900).fold(Batch::new(), |batch, number| batch.delete(Tree::Audit, chain::key(b"c/", number)));
    let before = store.shared.index().unwrap().fresh_bytes().unwrap();
    block_on(store.commit(gone)).unwrap();
    let after = store.shared.index().unwrap().fresh_bytes().unwrap();
    assert!((300_000..600_000).contains(&(before - after)), "{}", before - after);
}
