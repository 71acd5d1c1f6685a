//! Bases: written under load, read back through a rebuild, refused when damaged.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::store::embedded::base;

/// A store with a base in the middle of its commits.
fn with_base() -> (Embedded, TempDir) {
    let (store, dir) = store_tuned(Tuning { base_bytes: 64 << 10, ..small() });
    fill(&store, 120);
    eventually(|| store.stats().base_revision > Revision(0));
    (store, dir)
}

/// Without its index the store is the same.
fn check_rebuilt(store: Embedded, dir: &Path) -> Embedded {
    let before = contents(&store);
    let chunks = store.shared.index().unwrap().chunk_count();
    store.close().unwrap();
    std::fs::remove_dir_all(dir.join(INDEX_DIR)).unwrap();
    let store = reopen(dir).unwrap();
    assert_eq!(contents(&store), before);
    assert_eq!(store.shared.index().unwrap().chunk_count(), chunks);
    store
}

#[test]
fn a_base_written_under_load_and_the_journal_give_the_live_view() {
    let (store, dir) = with_base();
    fill(&store, 50);
    check_rebuilt(store, dir.path());
}

#[test]
fn bases_written_among_many_writers_and_the_journal_give_the_live_view() {
    let (store, dir) = store_tuned(Tuning { base_bytes: 32 << 10, checkpoint_bytes: 16 << 10, ..small() });
    let enough = AtomicBool::new(false);
    let (store_ref, enough_ref) = (&store, &enough);
    std::thread::scope(|scope| {
        for writer in 0..4_usize {
            scope.spawn(move || {
                for i in 0.. {
                    if enough_ref.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("k{:03}", (i * 7 + writer * 13) % 60);
                    let batch = Batch::new().put(Tree::Audit, format!("w{writer}"), i.to_string());
                    let batch = batch.add(Tree::Counters, "n", 1);
                    let batch = if i % 5 == 4 {
                        batch.delete(Tree::Values, key)
                    } else {
                        batch.put(Tree::Values, key, vec![writer as u8; if i % 3 == 0 { 9000 } else { 100 }])
                    };
                    block_on(store_ref.commit(batch)).unwrap();
                }
            });
        }
        for _ in 0..4 {
            let base = store.stats().base_revision;
            eventually(|| store.stats().base_revision > base);
        }
        enough.store(true, Ordering::Relaxed);
    });
    let before = contents(&store);
    let store = check_rebuilt(store, dir.path());
    assert_eq!(store.stats().last_revision.0, before.values().map(|(_, revision)| revision.0).max().unwrap());
}

#[test]
fn half_a_base_of_a_killed_process_is_removed() {
    let (store, dir) = empty_store();
    store.close().unwrap();
    let half = dir.path().join(BASE_DIR).join("new");
    std::fs::write(&half, "half").unwrap();
    reopen(dir.path()).unwrap();
    assert!(!half.exists());
}

#[test]
fn an_idle_store_writes_the_base_that_is_due_once() {
    let (store, dir) = empty_store();
    fill(&store, 200);
    // Killed before the base that was due was written.
    let copy = killed(dir.path());
    let tuning = Tuning { base_bytes: 1 << 10, checkpoint_every: Duration::from_millis(20), ..small() };
    let store = Embedded::open_tuned(copy.path(), tuning).unwrap();
    let written = || store.stats().base_revision == Revision(200);
    eventually(written);
    let inode = || {
        let (_, path) = base::list(&copy.path().join(BASE_DIR)).unwrap().pop().unwrap();
        std::fs::metadata(path).unwrap().ino()
    };
    let first = inode();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(inode(), first, "not written again");
    assert_eq!(store.stats().journal_bytes, 0);
}

#[test]
fn a_damaged_base_is_named_when_it_is_needed() {
    let (store, dir) = with_base();
    store.close().unwrap();
    std::fs::remove_dir_all(dir.path().join(INDEX_DIR)).unwrap();
    let path = base::list(&dir.path().join(BASE_DIR)).unwrap().pop().unwrap().1;
    let good = std::fs::read(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    for at in (0..40).chain((40..good.len()).step_by(good.len() / 30)).chain(good.len() - 24..good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&path, bytes).unwrap();
        check_damaged(dir.path(), name);
    }
    for len in [0, 39, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..len]).unwrap();
        check_damaged(dir.path(), name);
    }
    std::fs::remove_file(&path).unwrap();
    check_damaged(dir.path(), "base");
}

#[test]
fn a_damaged_base_is_replaced_while_the_index_is_whole() {
    let (store, dir) = with_base();
    let before = contents(&store);
    store.close().unwrap();
    let path = base::list(&dir.path().join(BASE_DIR)).unwrap().pop().unwrap().1;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = reopen(dir.path()).unwrap();
    let instance = store.shared.instance;
    let whole = || {
        let (start, path) = base::list(&dir.path().join(BASE_DIR)).unwrap().pop().unwrap();
        base::read(&path, instance, start, &mut |_| Ok(())).is_ok()
    };
    eventually(whole);
    store.close().unwrap();
    std::fs::remove_dir_all(dir.path().join(INDEX_DIR)).unwrap();
    assert_eq!(contents(&reopen(dir.path()).unwrap()), before);
}
