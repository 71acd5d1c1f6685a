//! Opening: after a close, a kill, a restart of the machine, and damage.

use super::*;

#[test]
fn after_a_clean_close_the_index_is_believed() {
    let (store, dir) = empty_store();
    fill(&store, 60);
    let before = contents(&store);
    store.close().unwrap();
    let inode = index_inode(dir.path());
    let store = reopen(dir.path()).unwrap();
    assert_eq!(index_inode(dir.path()), inode, "not built anew");
    assert_eq!(contents(&store), before);
    assert_eq!(store.stats().last_revision, Revision(60));
}

#[test]
fn every_acknowledged_commit_survives_a_kill() {
    let (store, dir) = empty_store();
    for _ in 1..4 {
        fill(&store, 25);
        let copy = killed(dir.path());
        let opened = reopen(copy.path()).unwrap();
        assert_eq!(contents(&opened), contents(&store));
        assert_eq!(opened.shared.index().unwrap().chunk_count(), store.shared.index().unwrap().chunk_count());
    }
}

/// sled shows an older state of a page where a newer one in its log does not hold, so a single bit can
/// bring back what was replaced or deleted.
#[test]
fn a_flipped_bit_in_the_index_brings_nothing_back() {
    let (store, dir) = empty_store();
    for round in 0..12 {
        for key in 0..12_u8 {
            let batch = match (round + key) % 4 {
                0 => Batch::new().delete(Tree::Values, [key]),
                _ => Batch::new().put(Tree::Values, [key], vec![round; 60]),
            };
            block_on(store.commit(batch)).unwrap();
        }
        store.shared.index().unwrap().flush().unwrap();
    }
    let before = contents(&store);
    let open = killed(dir.path());
    store.close().unwrap();
    for (left, closed) in [(dir.path(), true), (open.path(), false)] {
        let len = std::fs::metadata(left.join(INDEX_DIR).join("db")).unwrap().len() as usize;
        for at in (0..24).map(|n| (n * len) / 24 + n) {
            let copy = killed(left);
            let path = copy.path().join(INDEX_DIR).join("db");
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at] ^= 4;
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(contents(&reopen(copy.path()).unwrap()), before, "byte {at}");
            assert_eq!(copy.path().join("sled.damaged-1").exists(), closed, "byte {at}");
        }
    }
}

#[test]
fn damage_to_the_index_heals() {
    let (store, dir) = empty_store();
    fill(&store, 60);
    let before = contents(&store);
    store.close().unwrap();
    for name in ["db", "conf", "numbered"] {
        for damage in 0..4 {
            let copy = killed(dir.path());
            let path = copy.path().join(INDEX_DIR).join(name);
            let len = std::fs::metadata(&path).unwrap().len();
            match damage {
                0 => std::fs::remove_file(&path).unwrap(),
                1 => cut(&path, 0),
                2 => cut(&path, len / 2),
                _ => std::fs::write(&path, vec![0x5a; usize::try_from(len).unwrap()]).unwrap(),
            }
            let opened = reopen(copy.path()).unwrap();
            assert_eq!(contents(&opened), before, "{name} {damage}");
            assert!(copy.path().join("sled.damaged-1").exists(), "{name} {damage}");
        }
    }
    let copy = killed(dir.path());
    std::fs::remove_dir_all(copy.path().join(INDEX_DIR)).unwrap();
    assert_eq!(contents(&reopen(copy.path()).unwrap()), before);
    let copy = killed(dir.path());
    std::fs::remove_file(copy.path().join("state")).unwrap();
    assert_eq!(contents(&reopen(copy.path()).unwrap()), before);
}

#[test]
fn a_journal_shorter_than_what_was_closed_is_refused() {
    let (store, dir) = empty_store();
    fill(&store, 3);
    store.close().unwrap();
    let path = segments(dir.path()).pop().unwrap();
    cut(&path, 4096);
    check_damaged(dir.path(), path.file_name().unwrap().to_str().unwrap());
}

#[test]
fn a_journal_shorter_than_what_was_acknowledged_is_refused_after_a_kill_too() {
    let (store, dir) = empty_store();
    fill(&store, 3);
    let copy = killed(dir.path());
    let path = segments(copy.path()).pop().unwrap();
    cut(&path, 4096);
    check_damaged(copy.path(), path.file_name().unwrap().to_str().unwrap());
}

#[test]
fn a_journal_that_lost_its_padding_goes_on() {
    let (store, dir) = empty_store();
    block_on(store.commit(Batch::new().put(Tree::Values, "a", "1"))).unwrap();
    let copy = killed(dir.path());
    let path = segments(copy.path()).pop().unwrap();
    cut(&path, 4096 + 200);
    let opened = reopen(copy.path()).unwrap();
    block_on(opened.commit(Batch::new().put(Tree::Values, "b", "2"))).unwrap();
    let before = contents(&opened);
    assert_eq!(before.len(), 2);
    drop(opened);
    assert_eq!(contents(&reopen(copy.path()).unwrap()), before);
}

#[test]
fn a_second_open_hears_who_holds_the_store() {
    let (store, dir) = empty_store();
    store.set_holder("coffer serve, pid 7").unwrap();
    match reopen(dir.path()) {
        Err(OpenError::Held { holder }) => assert_eq!(holder, "coffer serve, pid 7"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interrupted_creation_is_unfinished_and_can_be_repeated() {
    let whole = tempfile::tempdir().unwrap();
    let creation = Embedded::create_tuned(whole.path(), small()).unwrap();
    fill(creation.engine(), 3);
    drop(creation);
    // Whatever of it had come to be, the marker came first.
    for gone in ["", "state", BASE_DIR, JOURNAL_DIR, INDEX_DIR] {
        let dir = killed(whole.path());
        if !gone.is_empty() {
            let path = dir.path().join(gone);
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
        assert_eq!(Embedded::exists(dir.path()).unwrap(), Presence::Unfinished);
        assert!(matches!(reopen(dir.path()), Err(OpenError::Unfinished(_))));
        let store = Embedded::create_tuned(dir.path(), small()).unwrap().finish().unwrap();
        assert_eq!(contents(&store).len(), 0);
        assert_eq!(Embedded::exists(dir.path()).unwrap(), Presence::Store);
    }
}

#[test]
fn a_marker_that_strayed_into_a_store_does_not_wipe_it() {
    let (store, dir) = empty_store();
    fill(&store, 3);
    let before = contents(&store);
    store.close().unwrap();
    for text in ["", "0123456789abcdef0123456789abcdef"] {
        let copy = killed(dir.path());
        let marker = copy.path().join("creating");
        std::fs::write(&marker, text).unwrap();
        match Embedded::create_tuned(copy.path(), small()) {
            Err(OpenError::Damaged(why)) => assert!(why.contains("creating"), "{why}"),
            other => panic!("{other:?}"),
        }
        std::fs::remove_file(marker).unwrap();
        assert_eq!(contents(&reopen(copy.path()).unwrap()), before);
    }
}

#[test]
fn a_directory_that_was_there_before_is_made_private() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |dir: &Path| std::fs::metadata(dir).unwrap().permissions().mode() & 0o777;
    for (other, private) in [(".gitkeep", true), ("notes", false)] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(dir.path().join(other), "").unwrap();
        drop(Embedded::create_tuned(dir.path(), small()).unwrap());
        assert_eq!(mode(dir.path()), if private { 0o700 } else { 0o755 }, "{other}");
    }
}

#[test]
fn overflow_chunks_leave_no_orphans() {
    let (store, dir) = empty_store();
    let chunks = |store: &Embedded| store.shared.index().unwrap().chunk_count();
    let put = |len: usize| {
        block_on(store.commit(Batch::new().put(Tree::Values, "k", vec![1; len]))).unwrap();
        chunks(&store)
    };
    assert_eq!([put(4096), put(4097), put(20_000), put(9000), put(10)], [0, 2, 5, 3, 0]);
    put(20_000);
    let copy = killed(dir.path());
    assert_eq!(chunks(&reopen(copy.path()).unwrap()), 5);
    drop(store);
    let store = reopen(dir.path()).unwrap();
    block_on(store.commit(Batch::new().delete(Tree::Values, "k"))).unwrap();
    assert_eq!(chunks(&store), 0);
}

#[test]
fn files_of_a_later_format_are_refused_by_number() {
    let (store, dir) = empty_store();
    fill(&store, 3);
    store.close().unwrap();
    let newest = |dir: &Path| base::list(&dir.join(BASE_DIR)).unwrap().pop().unwrap().1;
    type Find<'a> = &'a dyn Fn(&Path) -> PathBuf;
    let find: [(Find<'_>, usize); 2] = [(&newest, 36), (&|dir| segments(dir)[0].clone(), 48)];
    for (find, checked) in find {
        let copy = killed(dir.path());
        let path = find(copy.path());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..checked]);
        bytes[checked..checked + 4].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        match reopen(copy.path()) {
            Err(OpenError::Newer { file, found: 2, known: 1 }) => assert_eq!(file, path),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_commit_after_a_failure_is_answered_and_reads_go_on() {
    let (store, dir) = empty_store();
    fill(&store, 3);
    store.shared.fail("a test says so".into());
    assert!(!store.is_writable());
    let answer = block_on(store.commit(Batch::new().put(Tree::Values, "x", "1")));
    assert!(matches!(answer, Err(Error::Unavailable(_))));
    let before = contents(&store);
    store.close().unwrap();
    assert_eq!(contents(&reopen(dir.path()).unwrap()), before);
}

#[test]
fn a_closed_store_refuses_and_closes_again_quietly() {
    let (store, _dir) = empty_store();
    store.close().unwrap();
    store.close().unwrap();
    assert!(!store.is_writable());
    assert!(block_on(store.get(Tree::Values, b"k")).is_err());
    assert!(block_on(store.commit(Batch::new().put(Tree::Values, "x", "1"))).is_err());
}
