//! Whether requests still arrive, so that a stop first tells whoever goes on asking.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// How long no request may begin before idle connections are cut: one that has arrived needs a moment to
/// its handler.
const QUIET: Duration = Duration::from_millis(50);

/// The requests of a server.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    begun: AtomicU64,
    stopping: AtomicBool,
    stopped: Notify,
}

impl Traffic {
    /// Counts a request.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// From now on responses end their connections.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stopped.notify_waiters();
    }

    /// Whether responses end their connections.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Waits until responses end their connections.
    pub(super) async fn stopped(&self) {
        // Before the look: whoever stops afterwards wakes it.
        let stopped = self.stopped.notified();
        if !self.stopping.load(Ordering::SeqCst) {
            stopped.await;
        }
    }

    /// Waits until no request has begun for a moment.
    pub(super) async fn quiet(&self) {
        loop {
            let begun = self.begun.load(Ordering::SeqCst);
            tokio::time::sleep(QUIET).await;
            if self.begun.load(Ordering::SeqCst) == begun {
                return;
            }
        }
    }
}
