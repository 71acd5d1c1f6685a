//! The engine as a whole: what survives what.

mod bases;
mod chains;
mod checking;
mod damage;
mod failing;
mod following;
mod numbered;
mod opening;
pub(super) mod trap;
mod upkeep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::store::chain;
use crate::store::conformance::{append, block_on};

/// Small sizes, so that segments roll and bases are written within a test.
pub(super) fn small() -> Tuning {
    Tuning {
        segment_bytes: 64 << 10,
        checkpoint_bytes: 32 << 10,
        base_bytes: u64::MAX,
        cache_bytes: 8 << 20,
        ..Tuning::default()
    }
}

/// A new store, and the directory that goes with it.
pub(in crate::store) fn empty_store() -> (Embedded, TempDir) {
    store_tuned(small())
}

fn store_tuned(tuning: Tuning) -> (Embedded, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::create_tuned(dir.path(), tuning).unwrap().finish().unwrap();
    (Arc::into_inner(store).unwrap(), dir)
}

fn reopen(dir: &Path) -> Result<Embedded, OpenError> {
    Embedded::open_tuned(dir, small())
}

/// Commits `count` values of mixed sizes, some of them over those of before. With each go an entry of a chain, and a
/// version to a value that keeps ten.
fn fill(store: &Embedded, count: usize) {
    for i in 0..count {
        let value = vec![u8::try_from(i % 251).unwrap(); if i % 7 == 0 { 9000 } else { 100 }];
        let batch =
            Batch::new().put(Tree::Values, format!("k{:03}", i % 40), value).add(Tree::Counters, "n", 1);
        let batch = batch.append(append("fill/", &i.to_string(), &["environment/e/"]));
        let version = |number| chain::key(b"o/v/", number as u64);
        let batch = batch.put(Tree::ValueVersions, version(i + 10), i.to_string());
        block_on(store.commit(batch.delete(Tree::ValueVersions, version(i)))).unwrap();
    }
}

type Contents = BTreeMap<(Tree, Vec<u8>), (Vec<u8>, Revision)>;

fn contents(store: &Embedded) -> Contents {
    let mut all = Contents::new();
    for tree in Tree::ALL {
        for record in store.scan_now(tree, &[], None, usize::MAX).unwrap() {
            all.insert((tree, record.key), (record.value, record.revision));
        }
    }
    all
}

/// The files below `dir`, but for the lock.
fn files_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            // Spares come and go while the engine runs.
            files.insert(path, bytes);
        }
    }
    files
}

/// What a kill would leave: a copy of the files.
fn killed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (path, bytes) in files_of(dir) {
        let to = copy.path().join(path.strip_prefix(dir).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    copy
}

/// Refused as damage that names `name`, with every file as it was.
fn check_damaged(dir: &Path, name: &str) {
    let before = files_of(dir);
    match reopen(dir) {
        Err(OpenError::Damaged(text)) => assert!(text.contains(name), "{text} names {name}"),
        other => panic!("{name}: {other:?}"),
    }
    assert!(files_of(dir) == before, "{name}: files changed");
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let dir = dir.join(JOURNAL_DIR);
    let names = files::names(&dir).unwrap();
    names.iter().filter(|name| name.ends_with(".journal")).map(|name| dir.join(name)).collect()
}

fn cut(path: &Path, len: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// Waits for what another thread does.
fn eventually(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 30 seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tells an index from one that was built anew.
fn index_inode(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(dir.join(INDEX_DIR)).unwrap().ino()
}
