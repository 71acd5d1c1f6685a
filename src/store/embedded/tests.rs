//! The engine as a whole: what survives what.

use tempfile::TempDir;

use super::*;

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
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::create_tuned(dir.path(), small()).unwrap().finish().unwrap();
    (Arc::into_inner(store).unwrap(), dir)
}
