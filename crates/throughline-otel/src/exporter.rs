//! Any OpenTelemetry span exporter as ours.

use std::borrow::Cow;
use std::time::Duration;
use std::{any, fmt};

use opentelemetry_sdk::trace::SpanExporter;
use throughline_core::Resource;
use throughline_export::{Batch, ExportError, Exporter};

use crate::error::{BoxError, Reason};
use crate::live::Live;
use crate::{BuildError, convert};

/// Any exporter of the OpenTelemetry SDK as an exporter of ours.
///
/// The foreign exporter lives on a tokio runtime of its own with one worker: it is built, called and dropped while that
/// runtime is entered, but from outside it. Exporters that block, that are asynchronous, and that spawn tasks when they
/// are built therefore all work, whatever runtime the application has and wherever it builds this one.
///
/// An exporter that keeps threads of its own (a blocking HTTP client does) is traced there if a bridge traces the crates
/// it is made of; everything on the threads of the runtime and of the pipeline is not.
///
/// ```
/// # use opentelemetry_sdk::{error::OTelSdkResult, trace::{SpanData, SpanExporter}};
/// # #[derive(Debug)] struct Vendor;
/// # impl Vendor { fn connect(_: &str) -> Result<Self, std::io::Error> { Ok(Self) } }
/// # impl SpanExporter for Vendor { async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult { Ok(()) } }
/// use std::time::Duration;
/// use throughline_otel::OtelExporter;
///
/// let exporter = OtelExporter::new(|| Vendor::connect("collector:4317"))?.timeout(Duration::from_secs(5));
/// # drop(exporter);
/// # Ok::<(), throughline_otel::BuildError>(())
/// ```
#[must_use]
pub struct OtelExporter<E: SpanExporter + 'static> {
    /// `None` after shutdown.
    live: Option<Live<E>>,
    resource: Option<Resource>,
    timeout: Duration,
    name: Cow<'static, str>,
    reason: Reason,
}

// === impl OtelExporter ===

impl<E: SpanExporter + 'static> OtelExporter<E> {
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
        Ok(Self { live: Some(live), resource: None, timeout: DEFAULT_TIMEOUT, name, reason: Reason::default() })
    }

    /// How long one call of an asynchronous `export` may take before it is given up; by default 30 seconds. What blocks
    /// cannot be given up: a blocking exporter has a limit of its own.
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

impl<E: SpanExporter + 'static> Exporter for OtelExporter<E> {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        let Some(live) = &mut self.live else { return Err(ExportError::new("the exporter was shut down")) };
        if self.resource.as_ref() != Some(batch.resource()) {
            let resource = convert::resource(batch.resource());
            live.worker.enter(|| live.exporter.set_resource(&resource));
            self.resource = Some(batch.resource().clone());
        }
        let spans = convert::batch(batch);
        self.reason.settle(live.worker.block_on(live.exporter.export(spans), self.timeout), self.timeout)
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        let Some(live) = &self.live else { return Ok(()) };
        live.worker.enter(|| live.exporter.force_flush()).map_err(ExportError::new)
    }

    fn shutdown(&mut self) {
        if let Some(live) = self.live.take() {
            // There is nobody left to tell, and nothing left to do about it.
            let _ = live.worker.enter(|| live.exporter.shutdown());
            live.close();
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl<E: SpanExporter + 'static> Drop for OtelExporter<E> {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            live.close_anywhere();
        }
    }
}

impl<E: SpanExporter + 'static> fmt::Debug for OtelExporter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Exporters print what they were configured with, header values included.
        f.debug_struct("OtelExporter")
            .field("exporter", &any::type_name::<E>())
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What OpenTelemetry gives a batch (`OTEL_BSP_EXPORT_TIMEOUT`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
