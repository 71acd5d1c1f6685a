//! What a server does by itself, once a minute and when it stops.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::vault::Vault;

/// How often it is done. What is shown of the uses of API keys is no finer.
const INTERVAL: Duration = Duration::from_secs(60);

/// How often sessions that are over are looked for, which reads all of them.
const MINUTES_BETWEEN_SWEEPS: u64 = 60;

/// The upkeep of a running server.
pub(super) struct Upkeep {
    /// Dropped to stop.
    stop: watch::Sender<()>,
    running: JoinHandle<()>,
}

impl Upkeep {
    /// Begins, with nothing to do for the first minute.
    pub(super) fn begin(vault: Vault) -> Upkeep {
        let (stop, stopping) = watch::channel(());
        Upkeep { stop, running: tokio::spawn(run(vault, stopping)) }
    }

    /// Does it a last time.
    pub(super) async fn finish(self) {
        drop(self.stop);
        let _ = self.running.await;
    }
}

async fn run(vault: Vault, mut stopping: watch::Receiver<()>) {
    let mut failing = false;
    for minute in 0_u64.. {
        let stops = tokio::time::timeout(INTERVAL, stopping.changed()).await.is_ok();
        let mut done = vault.write_key_uses().await;
        if minute % MINUTES_BETWEEN_SWEEPS == 0 && !stops {
            done = done.and(vault.sweep_sessions().await.map(drop));
        }
        // A store that is full or has failed says so itself; here it would be the same line each minute.
        if let Err(error) = &done
            && !failing
        {
            tracing::warn!("the server's upkeep fails, and is tried each minute: {error}");
        }
        failing = done.is_err();
        if stops {
            return;
        }
    }
}
