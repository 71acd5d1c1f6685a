//! Which process holds a store, for those that meet it.

use std::fs::{self, File, TryLockError};
use std::path::Path;

/// The store's lock file: held while a process has the store open, with a line about that process in it.
const LOCK: &str = "lock";

/// Who holds the store in `dir`, as it says of itself; none where nobody does. Nothing is changed.
pub fn holder(dir: &Path) -> Option<String> {
    let path = dir.join(LOCK);
    // Shared, and given back at once: it only tells whether somebody has it for good.
    match File::open(&path).ok()?.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(line(&path)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// The holder may be writing just now, so nothing is an answer too.
fn line(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    match text.lines().next() {
        Some(line) if !line.is_empty() => line.into(),
        _ => "it did not say which".into(),
    }
}
