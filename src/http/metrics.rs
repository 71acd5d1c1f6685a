//! What `/metrics` says: counts and times, never an id.

mod process;
mod samples;
mod store;
mod vault;

use std::fmt;
use std::time::Duration;

use actix_web::http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use self::process::Process;
use self::store::Store;
use self::vault::Contents;
use crate::store::embedded::{DiskUse, Stats};
use crate::vault::Vault;

/// The server's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, Durations>,
    refused: Family<RefusalLabels, Counter>,
    contents: Contents,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

/// Why a request was refused before its time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// Its address asks too often.
    Address,
    /// Its credential is used too often.
    Credential,
    /// Its credential is wrong, like many of its address before.
    WrongCredential,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    by: &'static str,
}

/// Buckets from 50 µs, below which lies a read, to 10 s, beyond which lies a stuck disk.
#[derive(Clone, Copy)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new([50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 1.0, 10.0])
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Metrics of the requests, and of the store that `store` tells of.
    #[must_use]
    pub fn new(store: impl Fn() -> (Stats, Option<DiskUse>) + Send + Sync + 'static) -> Metrics {
        let mut registry = Registry::default();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("coffer_build", "The release that serves", build);
        registry.register_collector(Box::new(Store::new(store)));
        let contents = Contents::default();
        registry.register_collector(Box::new(contents.clone()));
        registry.register_collector(Box::new(Process::default()));
        let requests = Family::default();
        registry.register("coffer_http_requests", "Requests answered", requests.clone());
        let durations = Family::new_with_constructor(Durations);
        registry.register(
            "coffer_http_request_duration_seconds",
            "Time from a request's head to its response",
            durations.clone(),
        );
        let refused = Family::default();
        registry.register("coffer_http_refused", "Requests refused by a limit", refused.clone());
        Metrics { registry, requests, durations, refused, contents }
    }

    pub(super) fn request(&self, method: &Method, route: &'static str, status: u16, took: Duration) {
        let method = known(method);
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
        self.durations.get_or_create(&RouteLabels { method, route }).observe(took.as_secs_f64());
    }

    pub(super) fn refused(&self, by: Refusal) {
        let by = match by {
            Refusal::Address => "address",
            Refusal::Credential => "credential",
            Refusal::WrongCredential => "wrong_credential",
        };
        self.refused.get_or_create(&RefusalLabels { by }).inc();
    }

    /// Learns what `vault` holds, unless that was learnt just now.
    pub(super) async fn look_at(&self, vault: &Vault) {
        self.contents.look_at(vault).await;
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A client can invent methods; labels must not grow with them.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
