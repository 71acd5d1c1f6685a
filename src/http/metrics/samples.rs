//! One sample after another, as a collector writes them.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::store::embedded::Distribution;

/// Where samples go.
pub(super) struct Samples<'a>(pub(super) DescriptorEncoder<'a>);

impl Samples<'_> {
    /// The head of a metric. Its help is a sentence, as the registry makes one of those that it keeps itself.
    fn head<'a>(
        &'a mut self,
        name: &'a str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'a>, fmt::Error> {
        self.0.encode_descriptor(name, &format!("{help}."), None, kind)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, count: f64) -> fmt::Result {
        let encoder = self.head(name, help, MetricType::Counter)?;
        ConstCounter::new(count).encode(encoder)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, level: f64) -> fmt::Result {
        let encoder = self.head(name, help, MetricType::Gauge)?;
        ConstGauge::new(level).encode(encoder)
    }

    pub(super) fn level(&mut self, name: &str, help: &str, level: u64) -> fmt::Result {
        let encoder = self.head(name, help, MetricType::Gauge)?;
        ConstGauge::new(level).encode(encoder)
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, seen: &Distribution) -> fmt::Result {
        let mut encoder = self.head(name, help, MetricType::Histogram)?;
        let buckets: Vec<_> = seen.bounds.iter().copied().zip(seen.counts).collect();
        encoder.encode_histogram::<NoLabelSet>(seen.sum, seen.count(), &buckets, None)
    }
}
