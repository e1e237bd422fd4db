//! Any OpenTelemetry metric exporter, where it works.

use std::borrow::Cow;
use std::time::Duration;
use std::{any, fmt};

use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use throughline_export::ExportError;

use crate::BuildError;
use crate::error::{BoxError, Reason};
use crate::live::Live;

/// Any metric exporter of the OpenTelemetry SDK, for a [`MetricsPipeline`](crate::MetricsPipeline).
///
/// As an [`OtelExporter`](crate::OtelExporter) of spans it lives on a tokio runtime of its own: it may block, be
/// asynchronous, spawn tasks, whatever runtime the application has. What it does there is not traced.
///
/// ```
/// # use opentelemetry_sdk::error::OTelSdkResult;
/// # use opentelemetry_sdk::metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter};
/// # struct Vendor;
/// # impl Vendor { fn connect(_: &str) -> Result<Self, std::io::Error> { Ok(Self) } }
/// # impl PushMetricExporter for Vendor {
/// #     async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult { Ok(()) }
/// #     fn force_flush(&self) -> OTelSdkResult { Ok(()) }
/// #     fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult { Ok(()) }
/// #     fn temporality(&self) -> Temporality { Temporality::Cumulative }
/// # }
/// use throughline_otel::{MetricsPipeline, OtelMetricsExporter};
///
/// let exporter = OtelMetricsExporter::new(|| Vendor::connect("collector:4317"))?.named("vendor");
/// let pipeline = MetricsPipeline::builder().exporter(exporter).build()?;
/// # drop(pipeline);
/// # Ok::<(), throughline_otel::BuildError>(())
/// ```
#[must_use]
pub struct OtelMetricsExporter<E: PushMetricExporter> {
    /// `None` after shutdown.
    live: Option<Live<E>>,
    timeout: Duration,
    name: Cow<'static, str>,
    reason: Reason,
}

/// Takes what was collected somewhere, on the pipeline's thread.
pub(super) trait Destination: Send {
    fn export(&mut self, metrics: &ResourceMetrics, limit: Duration) -> Result<(), ExportError>;
    fn shutdown(&mut self);
    fn temporality(&self) -> Temporality;
    fn name(&self) -> &str;
}

// === impl OtelMetricsExporter ===

impl<E: PushMetricExporter> OtelMetricsExporter<E> {
    /// Builds an exporter where it will live, and waits for that.
    ///
    /// `build` runs on a thread outside the application's runtime, with the exporter's own runtime entered.
    ///
    /// # Errors
    ///
    /// `build` failed or panicked, or there are no threads left.
    pub fn new<B, C>(build: B) -> Result<Self, BuildError>
    where
        B: FnOnce() -> Result<E, C> + Send + 'static,
        C: Into<BoxError>,
    {
        let live = Live::build(build)?;
        let name = any::type_name::<E>().into();
        Ok(Self { live: Some(live), timeout: Duration::MAX, name, reason: Reason::default() })
    }

    /// How long one asynchronous export may take before it is given up, if that is less than the pipeline allows.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What errors call it; by default the foreign exporter's type. No secrets: it is printed.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Where to look for the reason when an export fails.
    #[cfg(feature = "otlp")]
    pub(crate) fn reason(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }
}

impl<E: PushMetricExporter> Destination for OtelMetricsExporter<E> {
    fn export(&mut self, metrics: &ResourceMetrics, limit: Duration) -> Result<(), ExportError> {
        let Some(live) = &self.live else { return Err(ExportError::new("the exporter was shut down")) };
        let limit = self.timeout.min(limit);
        self.reason.settle(live.worker.block_on(live.exporter.export(metrics), limit), limit)
    }

    fn shutdown(&mut self) {
        if let Some(live) = self.live.take() {
            // There is nobody left to tell, and nothing left to do about it.
            let _ = live.worker.enter(|| live.exporter.shutdown());
            live.close();
        }
    }

    fn temporality(&self) -> Temporality {
        self.live.as_ref().map(|live| live.exporter.temporality()).unwrap_or_default()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl<E: PushMetricExporter> Drop for OtelMetricsExporter<E> {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            live.close_anywhere();
        }
    }
}

impl<E: PushMetricExporter> fmt::Debug for OtelMetricsExporter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Exporters print what they were configured with, header values included.
        f.debug_struct("OtelMetricsExporter")
            .field("exporter", &any::type_name::<E>())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
