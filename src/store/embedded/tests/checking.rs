//! What is found before anybody meets it.

use super::*;
use crate::store::embedded::index::IndexWrite;

fn index_has(store: &Embedded, key: &str, value: Option<&[u8]>, revision: u64) {
    let (key, revision) = (key.as_bytes(), Revision(revision));
    let write = IndexWrite { tree: Tree::Values, key, value, revision };
    store.shared.index().unwrap().apply(std::iter::once(write)).unwrap();
}

#[test]
fn an_index_that_has_what_base_and_journal_have_is_found_whole() {
    let (store, dir) = store_tuned(Tuning { base_bytes: 64 << 10, ..small() });
    fill(&store, 200);
    assert_eq!(store.check_index().unwrap(), None);
    store.close().unwrap();
    let store = reopen(dir.path()).unwrap();
    assert_eq!(store.check_index().unwrap(), None);
    drop(store);
    assert_eq!(Embedded::last_healing(dir.path()), None);
}

#[test]
fn an_index_that_differs_is_told_and_built_anew() {
    let differences: [(&str, Option<&[u8]>, u64); 4] = [
        ("k001", None, 0),
        ("k001", Some(b"other"), 2),
        ("k001", Some(&[1; 100]), 7),
        ("more", Some(b"v"), 9),
    ];
    for (key, value, revision) in differences {
        let (store, dir) = empty_store();
        fill(&store, 20);
        let before = contents(&store);
        index_has(&store, key, value, revision);
        let told = store.check_index().unwrap().expect("it differs");
        assert!(told.contains("values"), "{told}");
        eventually(|| Embedded::last_healing(dir.path()).is_some());
        eventually(|| contents(&store) == before);
        assert_eq!(store.check_index().unwrap(), None);
    }
}

#[test]
fn files_are_checked_without_being_changed() {
    let (store, dir) = empty_store();
    fill(&store, 20);
    let last = store.stats().last_revision;
    assert!(matches!(Embedded::check_files(dir.path()), Err(OpenError::Held { .. })));
    let copy = killed(dir.path());
    drop(store);
    for dir in [dir.path(), copy.path()] {
        let before = files_of(dir);
        assert_eq!(Embedded::check_files(dir).unwrap(), last);
        assert!(files_of(dir) == before);
        // What follows says that this is no end.
        let path = segments(dir).pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096 + 40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let before = files_of(dir);
        let error = Embedded::check_files(dir).unwrap_err().to_string();
        assert!(error.contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
        assert!(files_of(dir) == before);
    }
    assert!(matches!(Embedded::check_files(&dir.path().join("none")), Err(OpenError::Missing(_))));
}
