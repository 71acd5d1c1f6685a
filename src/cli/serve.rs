//! `coffer serve`: the server, from the first line of its configuration to the last flush.

mod manager;
mod passed;
mod reload;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::hardening::Hardened;
use crate::cli::starting::Start;
use crate::cli::{init, output};
use crate::config::ListenAddress;
use crate::control::Listener;
use crate::crypto;
use crate::http::{self, Lifetimes, Metrics, RequestRate, Server, Settings, Tls};
use crate::store::embedded::{Embedded, OpenError};
use crate::telemetry::{self, LogGuard};
use crate::vault::{self, Contents, Opened, OpeningError, Vault};
use manager::ServiceManager;
pub(super) use passed::take as passed;
use reload::Reload;

/// How often it is looked whether the server answers, where the service manager does not ask for more.
const LOOK: Duration = Duration::from_secs(10);
/// And where it asks for more than can be done beside answering requests.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

/// How soon sealing anew is tried again.
const ROTATION_RETRY: Duration = Duration::from_secs(10);

/// Arguments of `serve`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Where to listen, instead of server.listen
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<ListenAddress>,
}

/// Serves on the sockets that were passed, or else where the configuration says.
pub(super) fn run(
    start: Start,
    hardened: &Hardened,
    passed: Option<Vec<TcpListener>>,
    log: &LogGuard,
) -> Result<(), Failure> {
    // Certificate and listener first: where they cannot be had or the port is taken, no store is made or opened.
    let tls = load_tls(&start)?;
    let listeners = listen(&start, passed)?;
    hardened.report();
    if start.config.has_sample_passphrase() {
        tracing::warn!("the passphrase is the sample, which everyone knows: choose your own for a new store");
    }
    if let Some(tls) = &tls {
        warn_of_exposed_key(tls);
    }
    http::block_on(serve(start, hardened, listeners, tls, log))
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

/// Each socket with its address.
type Listening = Vec<(TcpListener, SocketAddr)>;

fn listen(start: &Start, passed: Option<Vec<TcpListener>>) -> Result<Listening, Failure> {
    if passed.as_ref().is_some_and(Vec::is_empty) {
        tracing::warn!(
            "LISTEN_PID names this process, but LISTEN_FDS is not the number of the sockets passed to it: \
             `server.listen` is used instead"
        );
    }
    let passed = passed.unwrap_or_default();
    let is_passed = !passed.is_empty();
    let sockets = if is_passed { passed } else { vec![bind(start)?] };
    let address = |socket: TcpListener| socket.local_addr().map(|address| (socket, address));
    let listening: Listening = sockets
        .into_iter()
        .map(address)
        .collect::<Result<_, _>>()
        .map_err(Failure::io("learn the address listened on"))?;
    if is_passed {
        for (_, address) in &listening {
            start.config.check_listening(address, &[*address])?;
        }
        tracing::info!("the service manager listens, and passed its sockets: `server.listen` is not used");
    }
    Ok(listening)
}

fn bind(start: &Start) -> Result<TcpListener, Failure> {
    let listen = &start.config.server.listen;
    let doing = format!("listen on {listen}");
    let addresses: Vec<_> = listen.to_socket_addrs().map_err(Failure::io(&doing))?.collect();
    start.config.check_listening(listen, &addresses)?;
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
    listening: Listening,
    tls: Option<Tls>,
    log: &LogGuard,
) -> Result<(), Failure> {
    // From the first moment on: by itself, this signal would end the process.
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::io("listen to SIGHUP"))?;
    let manager = ServiceManager::of_environment();
    if listening.iter().any(|(_, address)| start.config.is_plaintext_beyond(address)) {
        tracing::warn!("plain HTTP beyond this machine: whoever is on the way reads keys and values");
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let urls: Vec<_> = listening.iter().map(|(_, address)| format!("{scheme}://{address}")).collect();
    let url = urls.first().cloned().unwrap_or_default();
    manager.status("opening the store");
    let opened = match vault::contents(start.dir())? {
        Contents::Store => start.open().await?,
        Contents::Nothing if telemetry::is_journal(&io::stdout()) => {
            return Err(Failure::Failed(format!(
                "there is no store in {}, and the keys of a new one are shown once, which must not be in the journal: \
                 make it with `coffer init`",
                start.dir().display()
            )));
        }
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
    tokio::spawn(finish_rotations(vault.clone()));
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
    let listeners = listening.into_iter().map(|(socket, address)| {
        tracing::info!(address = %address, "listening");
        socket
    });
    let metrics = metrics(&engine);
    let mut server =
        http::serve(listeners.collect(), vault.clone(), metrics, settings).map_err(Failure::io("serve"))?;
    for url in &urls {
        output::say(&format!("listening on {url}"))?;
    }
    let mut reload = Reload::new(&start, log, vault.clone(), tls);
    let mut health = Health { vault, serving: format!("serving {}", urls.join(" ")), is_well: true };
    manager.is_ready(&health.status());
    let period = manager.watchdog().map_or(LOOK, |within| (within / 3).clamp(SHORTEST_LOOK, LOOK));
    let mut looks = tokio::time::interval(period);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);

    let failed = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            _ = hangup.recv() => {
                manager.is_reloading();
                reload.run(&server);
                manager.is_ready(&health.status());
            }
            _ = looks.tick() => health.tell(&manager, &server).await,
            error = server.failed() => break Some(error),
        }
    };
    manager.is_stopping();
    tracing::info!("stopping");
    let is_serving = failed.is_none();
    let stop = async {
        if is_serving {
            tokio::join!(server.stop(), control.stop());
        } else {
            control.stop().await;
        }
    };
    // It has limits of its own, so it ends without a watchdog.
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = looks.tick() => manager.is_alive(),
        }
    }
    engine.close().map_err(OpeningError::from)?;
    failed.map_or(Ok(()), |error| Err(Failure::io("go on serving")(error)))
}

/// Whether the server answers, and what was told of that last.
struct Health {
    vault: Vault,
    serving: String,
    is_well: bool,
}

impl Health {
    /// Tells the service manager that the server is alive, where it is: each thread that answers requests gets on, and
    /// the store can be read. A store that takes no writes is alive, as its reads go on.
    async fn tell(&mut self, manager: &ServiceManager, server: &Server) {
        let trouble = if !server.gets_on() {
            Some("a thread that answers requests hangs".to_owned())
        } else {
            self.vault.check_readable().await.err().map(|error| format!("the store cannot be read: {error}"))
        };
        match &trouble {
            Some(trouble) => tracing::error!("the server does not answer: {trouble}"),
            None => manager.is_alive(),
        }
        let is_well = trouble.is_none() && self.vault.is_writable();
        if is_well != self.is_well {
            self.is_well = is_well;
            manager.status(&self.status());
        }
    }

    fn status(&self) -> String {
        let but = if self.is_well { "" } else { ", but not as it should: see /readyz and the log" };
        format!("{}{but}", self.serving)
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

/// Goes on with what an earlier process began, and with what a full disk or a full queue stopped.
async fn finish_rotations(vault: Vault) {
    let mut failing = false;
    loop {
        if vault.is_rotation_due() {
            let done = vault.finish_rotations().await;
            if let Err(error) = &done
                && !failing
            {
                tracing::warn!(
                    "not everything is sealed with the new data keys: {error}; it is tried each 10 seconds"
                );
            }
            failing = done.is_err();
        }
        tokio::time::sleep(ROTATION_RETRY).await;
    }
}
