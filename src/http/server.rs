//! The server: listeners in, a running service out.

use std::any::Any;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use ipnet::IpNet;

use crate::http::client_address::TrustedProxies;
use crate::http::console::{Lifetimes, Sessions};
use crate::http::cors::Cors;
use crate::http::envelope::envelope;
use crate::http::limits::{Limits, RequestRate};
use crate::http::metrics::Metrics;
use crate::http::pulse::Pulses;
use crate::http::quiet::Connection;
use crate::http::routes::configure;
use crate::http::tls::Tls;
use crate::http::traffic::Traffic;
use crate::http::upkeep::Upkeep;
use crate::store::embedded::Embedded;
use crate::vault::Vault;

/// How long a client may take to send a request's head.
const HEAD_TIME_LIMIT: Duration = Duration::from_secs(5);
/// How long a client may take for the handshake of TLS, before that.
const HANDSHAKE_TIME_LIMIT: Duration = Duration::from_secs(5);
/// How many handshakes of TLS a thread has under way before it accepts no more: as many as the framework
/// lets a thread have connections, so that slow ones keep nobody out who would be let in without TLS.
const MAX_HANDSHAKES: usize = 25_600;
/// How long an idle connection is kept: longer than the clients and proxies in common use keep it, so that
/// they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection may go without a request under way, whatever its client sends or does not take.
const QUIET_TIME_LIMIT: Duration = KEEP_ALIVE.saturating_add(HEAD_TIME_LIMIT);
/// A thread that has not got on for so long hangs.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long requests in flight may take to finish once the server stops.
const STOP_TIME_LIMIT: Duration = Duration::from_secs(30);

/// Runs `future` to its end, on this thread, within what [`serve`] needs around it.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix_web::rt::System::new().block_on(future)
}

/// How a server behaves, whatever it serves.
#[derive(Debug, Default)]
pub struct Settings {
    /// How many threads answer requests.
    pub workers: usize,
    /// How many connections each of them has at most; the next ones wait to be accepted.
    pub connections_per_worker: usize,
    /// What is shown to clients that speak TLS; none: they speak plain HTTP.
    pub tls: Option<Tls>,
    /// How often each client may ask; none: as often as it likes.
    pub request_rate: Option<RequestRate>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins whose pages may read answers, as browsers write them.
    pub allowed_origins: Vec<String>,
    /// The store, for the page that shows how it is.
    pub store: Option<Arc<Embedded>>,
    /// How long whoever has signed in at the console stays so.
    pub console: Lifetimes,
}

/// A running server.
pub struct Server {
    handle: ServerHandle,
    traffic: Data<Traffic>,
    limits: Data<Limits>,
    pulses: Pulses,
    running: tokio::task::JoinHandle<io::Result<()>>,
    upkeep: Upkeep,
}

/// Serves `vault` on `listeners`. Runs within the actix system that it is called from.
///
/// # Errors
/// Where a listener cannot be used.
pub fn serve(
    listeners: Vec<TcpListener>,
    vault: Vault,
    metrics: Metrics,
    settings: Settings,
) -> io::Result<Server> {
    let limits = Data::new(Limits::new(settings.request_rate));
    let upkeep = Upkeep::begin(vault.clone(), settings.store.clone(), limits.clone());
    let vault = Data::new(vault);
    let metrics = Data::new(metrics);
    let traffic = Data::new(Traffic::default());
    let tls = settings.tls.map(|tls| tls.server_config()).transpose().map_err(io::Error::other)?;
    let trusted = Data::new(TrustedProxies(settings.trusted_proxies));
    let signed_in = Data::new(Sessions::new(settings.console));
    let store = settings.store.map(Data::from);
    let cors = Cors::new(&settings.allowed_origins).map(Data::new);
    let shared = traffic.clone();
    let counted = limits.clone();
    let pulses = Pulses::default();
    let beating = pulses.clone();
    let mut server = HttpServer::new(move || {
        beating.begin();
        let app = App::new()
            .app_data(vault.clone())
            .app_data(metrics.clone())
            .app_data(shared.clone())
            .app_data(trusted.clone())
            .app_data(counted.clone())
            .app_data(signed_in.clone())
            .wrap(from_fn(envelope))
            .configure(configure);
        let app = match &store {
            Some(store) => app.app_data(store.clone()),
            None => app,
        };
        match &cors {
            Some(cors) => app.app_data(cors.clone()),
            None => app,
        }
    })
    .workers(settings.workers)
    .max_connections(settings.connections_per_worker.max(1))
    .client_request_timeout(HEAD_TIME_LIMIT)
    .tls_handshake_timeout(HANDSHAKE_TIME_LIMIT)
    .max_connection_rate(MAX_HANDSHAKES)
    .on_connect(|io, data| {
        if let Some(socket) = socket(io) {
            data.insert(Connection::watch(socket, QUIET_TIME_LIMIT));
        }
    })
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(STOP_TIME_LIMIT.as_secs())
    .disable_signals();
    for listener in listeners {
        server = match &tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls.clone())?,
            None => server.listen(listener)?,
        };
    }
    let server = server.run();
    let handle = server.handle();
    Ok(Server { handle, traffic, limits, pulses, running: tokio::task::spawn_local(server), upkeep })
}

/// What a connection runs over, with or without TLS.
fn socket(io: &dyn Any) -> Option<&TcpStream> {
    let under_tls = || io.downcast_ref::<TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
    io.downcast_ref::<TcpStream>().or_else(under_tls)
}

impl Server {
    /// Whether each thread that answers requests gets on.
    #[must_use]
    pub fn gets_on(&self) -> bool {
        self.pulses.longest_pause().is_some_and(|pause| pause < LONGEST_PAUSE)
    }

    /// Has requests limited by another rate from now on.
    pub fn set_request_rate(&self, rate: Option<RequestRate>) {
        self.limits.set_rate(rate);
    }

    /// Waits until the server ends though nobody stopped it, and says why. Without this the process would
    /// go on and answer nobody.
    pub async fn failed(&mut self) -> io::Error {
        match (&mut self.running).await {
            Ok(Ok(())) => io::Error::other("the server ended by itself"),
            Ok(Err(error)) => error,
            Err(panic) => io::Error::other(panic),
        }
    }

    /// Accepts no more, closes idle connections, and the others once their requests are answered whole.
    pub async fn stop(self) {
        self.handle.pause().await;
        // The framework closes a connection that is idle at this moment without a word, though its client
        // may have sent the next request: so whoever is busy asking is told to close first.
        self.traffic.stop();
        let _ = tokio::time::timeout(STOP_TIME_LIMIT, self.traffic.quiet()).await;
        self.handle.stop(true).await;
        let _ = self.running.await;
        self.upkeep.finish().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KdfParameters, Keyring, Passphrase};
    use crate::store::memory::Memory;
    use crate::vault::Policy;

    #[test]
    fn a_server_that_ends_by_itself_is_noticed() {
        let failed = block_on(async {
            let passphrase = Passphrase::from("a passphrase for tests".to_owned());
            let (keyring, _) = Keyring::create(&passphrase, KdfParameters::FLOOR, [7; 16]).unwrap();
            let policy = Policy::for_tests();
            let vault = Vault::open(Arc::new(Memory::new()), keyring, policy).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let settings = Settings { workers: 1, ..Settings::default() };
            let mut server = serve(vec![listener], vault, Metrics::new(Default::default), settings).unwrap();
            while !server.gets_on() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            server.handle.stop(true).await;
            let failed = tokio::time::timeout(Duration::from_secs(10), server.failed()).await;
            while server.gets_on() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            failed
        });
        assert_eq!(failed.unwrap().to_string(), "the server ended by itself");
    }
}
