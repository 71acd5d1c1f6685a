//! Breaks the index in the middle of a group, as sled does on a damaged page.

use std::sync::atomic::{AtomicBool, Ordering};

/// Panics before a write to sled.
#[derive(Debug, Default)]
pub(in crate::store::embedded) struct Trap(AtomicBool);

impl Trap {
    /// What the panic says.
    pub(in crate::store::embedded) const MESSAGE: &str = "a page that shows a value";

    /// The next write panics; once.
    pub(in crate::store::embedded) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// A write is about to be made.
    pub(in crate::store::embedded) fn step(&self) {
        assert!(!self.0.swap(false, Ordering::Relaxed), "{}", Trap::MESSAGE);
    }
}
