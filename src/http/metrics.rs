//! What `/metrics` says: counts and times, never an id.

use std::fmt;
use std::time::Duration;

use actix_web::http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::store::embedded::Stats;

/// The server's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, Durations>,
    refused: Family<RefusalLabels, Counter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
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
    /// Metrics of the requests, and of the store that `stats` tells of.
    #[must_use]
    pub fn new(stats: impl Fn() -> Stats + Send + Sync + 'static) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(StoreMetrics(Box::new(stats))));
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
        Metrics { registry, requests, durations, refused }
    }

    pub(super) fn request(&self, method: &Method, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels { method: known(method), route, status }).inc();
        self.durations.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }

    pub(super) fn refused(&self, by: Refusal) {
        let by = match by {
            Refusal::Address => "address",
            Refusal::Credential => "credential",
            Refusal::WrongCredential => "wrong_credential",
        };
        self.refused.get_or_create(&RefusalLabels { by }).inc();
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The engine's own counts, read when they are asked for.
struct StoreMetrics(Box<dyn Fn() -> Stats + Send + Sync>);

impl fmt::Debug for StoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreMetrics")
    }
}

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = (self.0)();
        let counters = [
            ("coffer_store_commits", "Changes made durable", stats.commits),
            ("coffer_store_conflicts", "Changes planned anew because another came first", stats.conflicts),
            ("coffer_store_syncs", "Syncs of the journal, each for a group of changes", stats.syncs),
        ];
        for (name, help, count) in counters {
            ConstCounter::new(count).encode(encoder.encode_descriptor(
                name,
                help,
                None,
                MetricType::Counter,
            )?)?;
        }
        let seconds = ConstCounter::new(stats.sync_time.as_secs_f64());
        let (name, help) = ("coffer_store_sync_seconds", "Time spent in syncs of the journal");
        seconds.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        let gauges = [
            ("coffer_store_queue_depth", "Changes waiting to be made durable", stats.queue_depth),
            ("coffer_store_journal_bytes", "Bytes of journal that no base covers yet", stats.journal_bytes),
            ("coffer_store_revision", "The last change's number", stats.last_revision.0),
        ];
        for (name, help, level) in gauges {
            ConstGauge::new(i64::try_from(level).unwrap_or(i64::MAX)).encode(encoder.encode_descriptor(
                name,
                help,
                None,
                MetricType::Gauge,
            )?)?;
        }
        Ok(())
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
