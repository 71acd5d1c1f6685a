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
use crate::http::{self, Lifetimes, Metrics, RequestRate, Settings, Tls};
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
    // Certificate and listener first: where they cannot be had or the port is taken, no store is made or opened.
    let tls = load_tls(&start)?;
    let listener = bind(&start)?;
    hardened.report();
    if start.config.has_sample_passphrase() {
        tracing::warn!("the passphrase is the sample, which everyone knows: choose your own for a new store");
    }
    if let Some(tls) = &tls {
        warn_of_exposed_key(tls);
    }
    http::block_on(serve(start, hardened, listener, tls))
}

fn load_tls(start: &Start) -> Result<Option<Tls>, Failure> {
    let files = start.config.server.tls.as_ref();
    Ok(files.map(|files| Tls::load(&files.certificate, &files.key)).transpose()?)
}

fn warn_of_exposed_key(tls: &Tls) {
    if let Some(key) = tls.exposed_key() {
        tracing::warn!(key = %key.display(), "the private key is open to every user of this machine");
    }
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

async fn serve(
    mut start: Start,
    hardened: &Hardened,
    listener: TcpListener,
    tls: Option<Tls>,
) -> Result<(), Failure> {
    // From the first moment on: by itself, this signal would end the process.
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::io("listen to SIGHUP"))?;
    let address = listener.local_addr().map_err(Failure::io("learn the address listened on"))?;
    if start.config.is_plaintext_beyond(&address) {
        tracing::warn!("plain HTTP beyond this machine: whoever is on the way reads keys and values");
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let opened = match vault::contents(start.dir())? {
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
    let control = control.serve(opened.clone());
    let Opened { vault, engine } = opened;
    engine
        .set_holder(&format!("pid {}, serving {url}", std::process::id()))
        .map_err(Failure::io("write the lock file"))?;
    // What an earlier process began.
    let resuming = vault.clone();
    tokio::spawn(async move {
        if let Err(error) = resuming.finish_rotations().await {
            tracing::warn!(
                "not everything is sealed with the new data keys: {error}; the next start goes on"
            );
        }
    });
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let limits = &start.config.limits;
    let settings = Settings {
        workers,
        connections_per_worker: hardened.connections_per_worker(workers),
        tls: tls.clone(),
        request_rate: RequestRate::new(limits.requests_per_second, limits.burst),
        trusted_proxies: start.config.server.trusted_proxies.clone(),
        allowed_origins: start.config.cors.allowed_origins.clone(),
        store: Some(engine.clone()),
        console: Lifetimes { idle: start.config.console.idle, lifetime: start.config.console.lifetime },
    };
    let mut server =
        http::serve(vec![listener], vault, metrics(&engine), settings).map_err(Failure::io("serve"))?;
    output::say(&format!("listening on {url}"))?;
    tracing::info!(address = %address, "listening");

    let failed = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            _ = hangup.recv() => reload(tls.as_ref()),
            error = server.failed() => break Some(error),
        }
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

/// Has the certificate and the key read anew. A pair that cannot be used is no reason to stop serving.
fn reload(tls: Option<&Tls>) {
    let Some(tls) = tls else {
        return tracing::info!("SIGHUP: without TLS there is nothing to read anew");
    };
    match tls.reload() {
        Ok(()) => {
            tracing::info!("the certificate and its key are read anew");
            warn_of_exposed_key(tls);
        }
        Err(error) => tracing::warn!(%error, "the new certificate cannot be used; the former one stays"),
    }
}

fn metrics(engine: &Arc<Embedded>) -> Metrics {
    let engine = engine.clone();
    Metrics::new(move || (engine.stats(), engine.disk_use().ok()))
}

/// A request that works when it is pasted into a shell.
fn first_request(url: &str, key: &str) -> String {
    format!(
        "Try it:\n  curl -s {url}/api/v2/public/env/definitions -H 'x-api-key: {key}' \\\n    \
         -H 'content-type: application/json' -d '{{\"name\":\"API_BASE_URL\",\"scope\":\"org\",\"var_format\":\"url\"}}'"
    )
}
