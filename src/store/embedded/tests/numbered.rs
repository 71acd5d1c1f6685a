//! What is numbered stands beside sled, and nobody can tell.

use super::*;
use index::IndexWrite;

/// Keys of chains, and others that stand before, between and behind them.
fn keys() -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> =
        ["a", "c/0", "c/ffffffffffffffffa", "checkpoint/c", "d", "zz/1/2"].map(Into::into).into();
    for chain in ["c/", "cc/", "environment/o/test/", "o/v/", "o/v-/", "store/"] {
        keys.extend([1, 2, 3, 130, 400].map(|number| chain::key(chain.as_bytes(), number)));
    }
    keys.push(chain::key(b"c/", 2).to_ascii_uppercase());
    keys
}

fn write(index: &Index, tree: Tree, key: &[u8], value: Option<&[u8]>, revision: u64) {
    let write = IndexWrite { tree, key, value, revision: Revision(revision) };
    index.apply([write].into_iter()).unwrap();
}

#[test]
fn a_walk_meets_both_in_the_order_of_keys() {
    for tree in [Tree::Audit, Tree::ValueVersions, Tree::Values] {
        check_walks(tree);
    }
}

fn check_walks(tree: Tree) {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path(), 8 << 20).unwrap();
    let (mut model, keys) = (BTreeMap::new(), keys());
    for (revision, key) in (1..).zip(&keys) {
        write(&index, tree, key, Some(b"before"), revision);
        write(&index, tree, key, Some(key), revision);
        model.insert(key.clone(), Revision(revision));
    }
    for key in keys.iter().step_by(5) {
        write(&index, tree, key, None, 99);
        model.remove(key);
    }
    for key in &keys {
        let found = index.get(tree, key).unwrap();
        assert_eq!(
            found.map(|record| (record.value, record.revision)),
            model.get(key).map(|r| (key.clone(), *r))
        );
        assert_eq!(index.revision(tree, key).unwrap(), model.get(key).copied());
    }
    let mut prefixes: Vec<&[u8]> =
        vec![b"", b"c", b"c/", b"c/f", b"cc/", b"environment/", b"o/v", b"s", b"x"];
    prefixes.extend(keys.iter().map(Vec::as_slice));
    for prefix in prefixes {
        let expected: Vec<_> = model.iter().filter(|(key, _)| key.starts_with(prefix)).collect();
        for after in [None].into_iter().chain(keys.iter().map(|key| Some(key.as_slice()))) {
            let expected =
                expected.iter().filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
            let mut found = Vec::new();
            index
                .walk(tree, prefix, after, |record| {
                    assert_eq!(record.key, record.value);
                    found.push((record.key, record.revision));
                    ControlFlow::Continue(())
                })
                .unwrap();
            let expected: Vec<_> = expected.map(|(key, revision)| ((*key).clone(), **revision)).collect();
            assert_eq!(found, expected, "{prefix:?} {after:?}");
        }
    }
}

#[test]
fn what_is_pruned_stays_away() {
    let (store, dir) = empty_store();
    fill(&store, 20);
    let prune =
        (1..=12).fold(Batch::new(), |batch, number| batch.delete(Tree::Audit, chain::key(b"fill/", number)));
    block_on(store.commit(prune)).unwrap();
    let before = contents(&store);
    assert_eq!(
        before.keys().filter(|(tree, key)| *tree == Tree::Audit && key.starts_with(b"fill/")).count(),
        8
    );
    let copy = killed(dir.path());
    store.close().unwrap();
    for left in [dir.path(), copy.path()] {
        assert!(contents(&reopen(left).unwrap()) == before);
    }
}

#[test]
fn a_file_of_another_time_or_store_is_not_believed() {
    let (store, dir) = empty_store();
    fill(&store, 20);
    store.close().unwrap();
    let earlier = killed(dir.path());
    let store = reopen(dir.path()).unwrap();
    fill(&store, 20);
    let before = contents(&store);
    store.close().unwrap();
    let (other, other_dir) = empty_store();
    fill(&other, 40);
    other.close().unwrap();
    let file = Path::new(INDEX_DIR).join("numbered");
    for from in [earlier.path(), other_dir.path()] {
        let copy = killed(dir.path());
        std::fs::copy(from.join(&file), copy.path().join(&file)).unwrap();
        assert!(contents(&reopen(copy.path()).unwrap()) == before);
        assert!(copy.path().join("sled.damaged-1").exists());
    }
}

#[test]
fn a_file_that_breaks_while_it_is_used_is_built_anew_behind_its_readers() {
    let (store, dir) = empty_store();
    fill(&store, 50);
    let before = contents(&store);
    let path = dir.path().join(INDEX_DIR).join("numbered");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0x5a; 200], 400).unwrap();
    let read = store.scan_now(Tree::Audit, &[], None, usize::MAX);
    assert!(matches!(read, Err(Error::Damaged(_))), "{read:?}");
    eventually(|| Embedded::last_healing(dir.path()).is_some());
    assert!(dir.path().join("sled.damaged-1").join("numbered").exists());
    assert!(contents(&store) == before);
    store.close().unwrap();
    assert!(contents(&reopen(dir.path()).unwrap()) == before);
}

#[test]
fn an_index_of_another_layout_is_built_anew_and_not_called_damaged() {
    let (store, dir) = empty_store();
    fill(&store, 20);
    let before = contents(&store);
    store.shared.index().unwrap().forget_format();
    store.close().unwrap();
    let store = reopen(dir.path()).unwrap();
    assert!(contents(&store) == before);
    assert!(store.shared.index().unwrap().has_format().unwrap());
    assert_eq!(Embedded::last_healing(dir.path()), None);
}
