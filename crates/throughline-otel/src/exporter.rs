//! Any OpenTelemetry span exporter as ours.

use std::borrow::Cow;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{any, fmt, io, thread};

use opentelemetry_sdk::trace::SpanExporter;
use throughline_core::Resource;
use throughline_export::{Batch, ExportError, Exporter};

use crate::convert;
use crate::worker::Worker;

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

/// A foreign exporter could not be built.
#[derive(Debug)]
pub struct BuildError(BoxError);

/// Why the last call failed, as somebody below the foreign exporter knows it; the exporter itself may keep it back.
#[derive(Clone, Default)]
pub(crate) struct Reason(Arc<Mutex<Option<BoxError>>>);

type BoxError = Box<dyn Error + Send + Sync>;

/// The order matters: the exporter goes before the runtime that it was built on.
struct Live<E> {
    exporter: E,
    worker: Worker,
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
        let built = thread::Builder::new().name("throughline-otel-build".to_owned()).spawn(move || {
            let worker = Worker::new()?;
            let exporter = worker.enter(|| build().map_err(Into::into))?;
            Ok(Live { exporter, worker })
        });
        match built.map_err(BuildError::new)?.join() {
            Ok(live) => {
                let live = live.map_err(BuildError)?;
                let name = any::type_name::<E>().into();
                Ok(Self { live: Some(live), resource: None, timeout: DEFAULT_TIMEOUT, name, reason: Reason::default() })
            }
            Err(_) => Err(BuildError::new("it panicked")),
        }
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
        match live.worker.block_on(live.exporter.export(spans), self.timeout) {
            Some(result) => {
                result.map_err(|error| self.reason.take().map_or_else(|| ExportError::new(error), ExportError::new))
            }
            None => {
                let message = format!("no answer within {:?}", self.timeout);
                Err(ExportError::new(io::Error::new(io::ErrorKind::TimedOut, message)))
            }
        }
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
        let Some(live) = self.live.take() else { return };
        if tokio::runtime::Handle::try_current().is_err() {
            return live.close();
        }
        // The application never came to hand it to a pipeline, and drops it inside its runtime, where blocking clients
        // panic when they are dropped.
        let closing = thread::Builder::new().name("throughline-otel-drop".to_owned());
        let _ = closing.spawn(move || live.close());
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

// === impl Live ===

impl<E> Live<E> {
    fn close(self) {
        let Self { exporter, worker } = self;
        worker.enter(move || drop(exporter));
    }
}

// === impl Reason ===

impl Reason {
    #[cfg(feature = "otlp")]
    pub(crate) fn set(&self, reason: Option<BoxError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn take(&self) -> Option<BoxError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

// === impl BuildError ===

impl BuildError {
    pub(crate) fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the span exporter could not be built")
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// What OpenTelemetry gives a batch (`OTEL_BSP_EXPORT_TIMEOUT`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
