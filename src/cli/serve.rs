//! `coffer serve`: the server, from the first line of its configuration to the last flush.

use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::hardening::Hardened;
use crate::cli::starting::Start;
use crate::cli::{init, output};
use crate::config::ListenAddress;
use crate::control::Listener;
use crate::crypto;
use crate::http::{self, Metrics, Settings};
use crate::store::embedded::{Embedded, OpenError};
use crate::vault::{self, Contents, Opened, OpeningError};

/// Arguments of `serve`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Where to listen, instead of server.listen
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<ListenAddress>,
}

pub(super) fn run(start: Start, hardened: &Hardened) -> Result<(), Failure> {
    // The listener first: where the port is taken, no store is made or opened.
    let listener = bind(&start)?;
    hardened.report();
    if start.config.has_sample_passphrase() {
        tracing::warn!("the passphrase is the sample, which everyone knows: choose your own for a new store");
    }
    for key in start.config.without_effect() {
        tracing::warn!(key, "this release does not act on this setting yet");
    }
    http::block_on(serve(start, hardened, listener))
}

fn bind(start: &Start) -> Result<TcpListener, Failure> {
    let listen = &start.config.server.listen;
    let doing = format!("listen on {listen}");
    let addresses: Vec<_> = listen.to_socket_addrs().map_err(Failure::io(&doing))?.collect();
    start.config.check_listening(&addresses)?;
    TcpListener::bind(addresses.as_slice()).map_err(|error| {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Failure::io(&doing)(error);
        }
        match Embedded::holder(start.dir()) {
            // Most likely it has the port too, and it is what this server would meet next.
            Some(holder) => OpenError::Held { holder }.into(),
            None => Failure::Failed(format!("cannot {doing}: {error}; choose another with --listen")),
        }
    })
}

async fn serve(mut start: Start, hardened: &Hardened, listener: TcpListener) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(Failure::io("learn the address listened on"))?;
    let url = format!("http://{address}");
    let Opened { vault, engine } = match vault::contents(start.dir())? {
        Contents::Store => start.open().await?,
        Contents::Nothing => {
            let (opened, made) = init::create_default(&start).await?;
            made.say()?;
            output::say(&Zeroizing::new(first_request(&url, made.test_key())))?;
            opened
        }
    };
    // Wiped here: the store is open, and the server has no more use for it.
    start.config.encryption.passphrase = None;
    if !crypto::all_keys_are_locked() {
        tracing::warn!(
            "memory cannot be locked, so keys may reach swap: raise `ulimit -l`, or encrypt the swap"
        );
    }
    // Signals that arrive from here on end the server in good order.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io("listen to SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io("listen to SIGINT"))?;
    let control = Listener::bind(start.dir()).map_err(Failure::io("make the control socket"))?;
    let control = control.serve(vault.clone());
    engine
        .set_holder(&format!("pid {}, serving {url}", std::process::id()))
        .map_err(Failure::io("write the lock file"))?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let settings = Settings {
        workers,
        connections_per_worker: hardened.connections_per_worker(workers),
        trusted_proxies: start.config.server.trusted_proxies.clone(),
    };
    let mut server =
        http::serve(vec![listener], vault, metrics(&engine), settings).map_err(Failure::io("serve"))?;
    output::say(&format!("listening on {url}"))?;
    tracing::info!(address = %address, "listening");

    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        error = server.failed() => Some(error),
    };
    tracing::info!("stopping");
    if failed.is_none() {
        tokio::join!(server.stop(), control.stop());
    } else {
        control.stop().await;
    }
    engine.close().map_err(OpeningError::from)?;
    failed.map_or(Ok(()), |error| Err(Failure::io("go on serving")(error)))
}

fn metrics(engine: &Arc<Embedded>) -> Metrics {
    let engine = engine.clone();
    Metrics::new(move || engine.stats())
}

/// A request that works when it is pasted into a shell.
fn first_request(url: &str, key: &str) -> String {
    format!(
        "Try it:\n  curl -s {url}/api/v2/public/env/definitions -H 'x-api-key: {key}' \\\n    \
         -H 'content-type: application/json' -d '{{\"name\":\"API_BASE_URL\",\"scope\":\"org\",\"var_format\":\"url\"}}'"
    )
}
