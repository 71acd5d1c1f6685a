//! Which requests are in flight, so that a stop cuts none of them.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How long nothing may be in flight, nor begin, before connections are cut: the last response needs a
/// moment from its handler to the socket, and a request that has arrived one to its handler.
const QUIET: Duration = Duration::from_millis(50);

/// The requests of a server.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    in_flight: AtomicUsize,
    begun: AtomicU64,
    stopping: AtomicBool,
}

/// A request that has no response yet.
pub(super) struct InFlight<'a>(&'a Traffic);

impl Traffic {
    /// Counts a request as in flight until what this returns is dropped.
    pub(super) fn begin(&self) -> InFlight<'_> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(self)
    }

    /// From now on responses end their connections: a client that goes on asking would hold up the stop.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether responses end their connections.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Waits until nothing has been in flight for a moment.
    pub(super) async fn drained(&self) {
        loop {
            let begun = self.begun.load(Ordering::SeqCst);
            tokio::time::sleep(QUIET).await;
            if self.in_flight.load(Ordering::SeqCst) == 0 && self.begun.load(Ordering::SeqCst) == begun {
                return;
            }
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
