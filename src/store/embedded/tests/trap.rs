//! Breaks the index in the middle of a group, as sled does on a damaged page.

use std::sync::atomic::{AtomicU32, Ordering};

/// Panics before one of the writes to sled.
#[derive(Debug, Default)]
pub(in crate::store::embedded) struct Trap(AtomicU32);

impl Trap {
    /// What the panic says.
    pub(in crate::store::embedded) const MESSAGE: &str = "a page that shows a value";

    /// The next `writes` pass, the one after them panics; once.
    pub(in crate::store::embedded) fn set(&self, writes: u32) {
        self.0.store(writes + 1, Ordering::Relaxed);
    }

    /// Nothing panics any more.
    pub(in crate::store::embedded) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// A write is about to be made.
    pub(in crate::store::embedded) fn step(&self) {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        assert!(left != 1, "{}", Trap::MESSAGE);
    }
}
