//! Whether the threads that answer requests still do: each has a pulse, which beats while its thread gets on.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often a pulse beats.
const BEAT: Duration = Duration::from_secs(1);

/// The pulses of a server. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulses(Arc<Mutex<Vec<Weak<Pulse>>>>);

#[derive(Debug)]
struct Pulse(Mutex<Instant>);

impl Pulses {
    /// Has this thread's pulse beat for as long as its runtime runs.
    pub(super) fn begin(&self) {
        let pulse = self.add();
        actix_web::rt::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                *pulse.0.lock() = Instant::now();
            }
        });
    }

    /// How long ago the one beat that has not for the longest; none where no thread has one.
    pub(super) fn longest_pause(&self) -> Option<Duration> {
        let mut pulses = self.0.lock();
        // A thread that has ended was replaced by another.
        pulses.retain(|pulse| pulse.strong_count() > 0);
        pulses.iter().filter_map(Weak::upgrade).map(|pulse| pulse.0.lock().elapsed()).max()
    }

    fn add(&self) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse(Mutex::new(Instant::now())));
        self.0.lock().push(Arc::downgrade(&pulse));
        pulse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_thread_that_runs_counts() {
        let pulses = Pulses::default();
        assert_eq!(pulses.longest_pause(), None);
        let (alive, stuck) = (pulses.add(), pulses.add());
        *stuck.0.lock() -= Duration::from_secs(60);
        assert!(pulses.longest_pause() >= Some(Duration::from_secs(60)));
        drop(stuck);
        assert!(pulses.longest_pause() < Some(Duration::from_secs(60)));
        drop(alive);
        assert_eq!(pulses.longest_pause(), None);
    }
}
