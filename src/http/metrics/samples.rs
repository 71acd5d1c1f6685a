//! One sample after another, as a collector writes them.

use std::fmt;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::store::embedded::Distribution;

/// Where samples go.
pub(super) struct Samples<'a>(pub(super) DescriptorEncoder<'a>);

impl Samples<'_> {
    pub(super) fn counter(&mut self, name: &str, help: &str, count: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(count).encode(encoder)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, level: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(level).encode(encoder)
    }

    pub(super) fn level(&mut self, name: &str, help: &str, level: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(level).encode(encoder)
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, seen: &Distribution) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let buckets: Vec<_> = seen.bounds.iter().copied().zip(seen.counts).collect();
        encoder.encode_histogram::<NoLabelSet>(seen.sum, seen.count(), &buckets, None)
    }
}
