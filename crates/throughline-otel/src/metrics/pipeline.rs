//! From instruments to exporters.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider, Temporality};
use throughline_core::Resource;
use throughline_export::{Flush, Pipeline, Shutdown};

use super::collector::{Collector, Reader};
use super::console::Console;
use super::exporter::Destination;
use super::stats::Counts;
use crate::{BuildError, MetricsStats, OtelMeter, OtelMetricsExporter, convert};

/// Collects what was measured at intervals and takes it to exporters, on a thread of its own.
///
/// A clone is one refcount. OpenTelemetry's SDK sums up and its exporters send; its periodic reader is not used, because
/// that has no deadlines.
///
/// ```
/// use std::time::Duration;
/// use throughline_otel::MetricsPipeline;
///
/// let pipeline = MetricsPipeline::builder().console().interval(Duration::from_secs(10)).build()?;
/// let meter = pipeline.meter(); // HttpMetrics::new(&meter), or TelemetryBuilder::metrics(pipeline)
/// let own = pipeline.provider().clone(); // for instruments of the application's own
/// pipeline.shutdown(Duration::from_secs(5)).wait()?; // or `.await`, in async code
/// # drop((meter, own));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Guarantees
///
/// * **A bad exporter** costs the application nothing. An export that takes longer than
///   [`export_timeout`](MetricsPipelineBuilder::export_timeout) is given up, a panic is caught. What an
///   export lost cumulative metrics still have.
/// * **Deadlines.** A flush and a shutdown begin with the call and end at their deadline, even if an exporter hangs. They
///   work in async code on any runtime, and, blocking, in `Drop` and in panic hooks.
/// * **Nothing of it is traced**, nor done on the application's runtime.
/// * **Drop.** When the last handle is dropped without a shutdown, that is done for one second at most, blocking.
#[derive(Clone)]
pub struct MetricsPipeline {
    pipeline: Pipeline,
    provider: SdkMeterProvider,
    meter: OtelMeter,
    counts: Arc<Counts>,
}

/// Sets up a [`MetricsPipeline`]; made by [`MetricsPipeline::builder`].
#[must_use]
pub struct MetricsPipelineBuilder {
    destinations: Vec<Box<dyn Destination>>,
    resource: Resource,
    interval: Duration,
    export_timeout: Duration,
}

// === impl MetricsPipeline ===

impl MetricsPipeline {
    /// Sets up a pipeline, with OpenTelemetry's defaults and no exporter.
    pub fn builder() -> MetricsPipelineBuilder {
        MetricsPipelineBuilder {
            destinations: Vec::new(),
            resource: Resource::default(),
            interval: Duration::from_secs(60),
            export_timeout: Duration::from_secs(30),
        }
    }

    /// What instrumentations write to.
    #[must_use]
    pub fn meter(&self) -> OtelMeter {
        self.meter.clone()
    }

    /// OpenTelemetry's provider of meters, for instruments of the application's own: they take the same way.
    #[must_use]
    pub fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> MetricsStats {
        self.counts.read()
    }

    /// Collects and exports what was measured before this call.
    ///
    /// It starts with the call, not with the first poll. It ends at the deadline, counted from the call, even if an
    /// exporter hangs.
    ///
    /// # Errors
    ///
    /// The deadline came first, or an exporter failed.
    pub fn flush(&self, deadline: Duration) -> Flush {
        self.pipeline.flush(deadline)
    }

    /// Collects and exports for the last time, shuts the exporters down and ends the thread.
    ///
    /// It starts with the call, not with the first poll. It ends at the deadline, counted from the call, even if an
    /// exporter hangs. What is measured later goes nowhere. A second shutdown has the result of the first.
    ///
    /// # Errors
    ///
    /// The deadline came first, or an exporter failed.
    pub fn shutdown(&self, deadline: Duration) -> Shutdown {
        self.pipeline.shutdown(deadline)
    }
}

impl fmt::Debug for MetricsPipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsPipeline").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

// === impl MetricsPipelineBuilder ===

impl MetricsPipelineBuilder {
    /// One more exporter; all get every collection.
    ///
    /// Whether metrics are cumulative or deltas is the wish of the first exporter that does not want them cumulative, for
    /// all.
    pub fn exporter<E: PushMetricExporter>(mut self, exporter: OtelMetricsExporter<E>) -> Self {
        self.destinations.push(Box::new(exporter));
        self
    }

    /// Writes every collection to the standard output as well, a line per series.
    pub fn console(mut self) -> Self {
        self.destinations.push(Box::new(Console));
        self
    }

    /// The service whose metrics these are.
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resource = resource;
        self
    }

    /// How often metrics are collected and exported; by default every 60 seconds (`OTEL_METRIC_EXPORT_INTERVAL`).
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long one export may take; by default 30 seconds (`OTEL_METRIC_EXPORT_TIMEOUT`), and as long as it likes if
    /// zero. An exporter that blocks has a limit of its own.
    pub fn export_timeout(mut self, timeout: Duration) -> Self {
        self.export_timeout = timeout;
        self
    }

    /// Starts the pipeline's thread.
    ///
    /// # Errors
    ///
    /// The interval is zero, or the system gives no thread.
    pub fn build(self) -> Result<MetricsPipeline, BuildError> {
        let Self { destinations, resource, interval, export_timeout } = self;
        let mut wishes = destinations.iter().map(|destination| destination.temporality());
        let temporality = wishes.find(|wish| *wish != Temporality::Cumulative).unwrap_or_default();
        let reader = Reader(Arc::new(ManualReader::builder().with_temporality(temporality).build()));
        let provider =
            SdkMeterProvider::builder().with_resource(convert::resource(&resource)).with_reader(reader.clone()).build();
        let counts = Arc::new(Counts::default());
        let now = Instant::now();
        let collector = Collector {
            provider: provider.clone(),
            reader,
            destinations,
            interval,
            limit: if export_timeout.is_zero() { Duration::MAX } else { export_timeout },
            next: now.checked_add(interval).unwrap_or(now),
            metrics: ResourceMetrics::default(),
            counts: Arc::clone(&counts),
        };
        // Its queue of spans stays empty; its cycle has nothing to do more often than the collector has.
        let pipeline = Pipeline::builder(collector).schedule_delay(interval).build().map_err(BuildError::new)?;
        let meter = OtelMeter::new(provider.clone());
        Ok(MetricsPipeline { pipeline, provider, meter, counts })
    }
}

impl fmt::Debug for MetricsPipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exporters: Vec<_> = self.destinations.iter().map(|destination| destination.name()).collect();
        f.debug_struct("MetricsPipelineBuilder")
            .field("exporters", &exporters)
            .field("resource", &self.resource)
            .field("interval", &self.interval)
            .field("export_timeout", &self.export_timeout)
            .finish()
    }
}
