//! What a server does by itself: every ten seconds, once a minute, and when it stops.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http::limits::Limits;
use crate::store::embedded::Embedded;
use crate::vault::{Error, Vault};

/// How often clients that have been idle are forgotten: so many can ask once and never again.
const INTERVAL: Duration = Duration::from_secs(10);
/// After how many intervals the uses of API keys are written. What is shown of them is no finer.
const WRITING: u64 = 6;

/// After how many intervals sessions that are over are looked for, which reads all of them.
const SWEEPING: u64 = 60 * WRITING;

/// The upkeep of a running server.
pub(super) struct Upkeep {
    /// Dropped to stop.
    stop: watch::Sender<()>,
    running: JoinHandle<()>,
}

impl Upkeep {
    /// Begins, with nothing to do at first.
    pub(super) fn begin(vault: Vault, store: Option<Arc<Embedded>>, limits: Data<Limits>) -> Upkeep {
        let (stop, stopping) = watch::channel(());
        Upkeep { stop, running: tokio::spawn(run(vault, store, limits, stopping)) }
    }

    /// Writes a last time.
    pub(super) async fn finish(self) {
        drop(self.stop);
        let _ = self.running.await;
    }
}

async fn run(
    vault: Vault,
    store: Option<Arc<Embedded>>,
    limits: Data<Limits>,
    mut stopping: watch::Receiver<()>,
) {
    let mut failing = false;
    for interval in 1_u64.. {
        let stops = tokio::time::timeout(INTERVAL, stopping.changed()).await.is_ok();
        limits.forget_idle();
        let mut done = if stops { vault.write_all_refusals().await } else { vault.write_refusals().await };
        if !stops && interval % WRITING != 0 {
            continue;
        }
        done = done.and(vault.write_key_uses().await);
        if let Some(store) = &store {
            done = done.and(record_healing(&vault, store).await);
        }
        if !stops && interval % SWEEPING == WRITING {
            done = done.and(vault.sweep_sessions().await.map(drop));
            done = done.and(vault.prune_audit().await.map(drop));
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

/// The keeper heals behind whoever met what is broken; here its entry is written.
async fn record_healing(vault: &Vault, store: &Embedded) -> Result<(), Error> {
    match Embedded::last_healing(store.dir()) {
        Some(healing) => vault.record_healing(&healing).await,
        None => Ok(()),
    }
}
