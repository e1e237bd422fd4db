//! Collecting, at intervals and when asked to.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};
use throughline_core::Diagnostic;
use throughline_export::{Batch, ExportError, Exporter};

use super::exporter::Destination;
use super::stats::Counts;

/// Brings what a provider's instruments hold to exporters. To the pipeline whose thread it works on it is an exporter of
/// spans that never gets any: what that pipeline knows of flushing, deadlines and panics holds for metrics, too.
pub(super) struct Collector {
    pub(super) provider: SdkMeterProvider,
    pub(super) reader: Reader,
    pub(super) destinations: Vec<Box<dyn Destination>>,
    pub(super) interval: Duration,
    pub(super) limit: Duration,
    pub(super) next: Instant,
    /// Reused.
    pub(super) metrics: ResourceMetrics,
    pub(super) counts: Arc<Counts>,
}

/// The SDK's reader, which it wants for itself.
#[derive(Clone, Debug)]
pub(super) struct Reader(pub(super) Arc<ManualReader>);

/// An exporter failed on what was collected.
#[derive(Debug)]
struct Failed {
    exporter: String,
    cause: ExportError,
}

// === impl Collector ===

impl Collector {
    fn collect(&mut self) -> Result<(), ExportError> {
        let Self { reader, destinations, metrics, counts, .. } = self;
        // Observable instruments call the application, which may panic as well.
        caught(counts, || reader.collect(metrics).map_err(ExportError::new))?;
        if metrics.scope_metrics().next().is_none() {
            return Ok(());
        }
        count(&counts.collections);
        let mut result = Ok(());
        for destination in destinations {
            let exported = caught(counts, || destination.export(metrics, self.limit));
            let exporter = destination.name().to_owned();
            // The last is as good as the first, but all get their turn.
            result = exported.map_err(|cause| ExportError::new(Failed { exporter, cause })).and(result);
        }
        count(if result.is_ok() { &counts.exported } else { &counts.failed });
        result
    }
}

impl Exporter for Collector {
    fn export(&mut self, _: &Batch<'_>) -> Result<(), ExportError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        self.collect()
    }

    fn tick(&mut self, now: Instant) -> Option<Duration> {
        if now >= self.next {
            self.next = now.checked_add(self.interval)?;
            if let Err(error) = self.collect() {
                FAILED.warn(|| describe(&error));
            }
        }
        Some(self.next.saturating_duration_since(Instant::now()))
    }

    fn shutdown(&mut self) {
        // What is measured from now on goes nowhere. The last collection was the flush before this.
        let _ = self.provider.shutdown();
        for destination in &mut self.destinations {
            destination.shutdown();
        }
    }

    fn name(&self) -> &str {
        "the export of metrics"
    }
}

// === impl Reader ===

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

// === impl Failed ===

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.exporter)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

fn caught(counts: &Counts, call: impl FnOnce() -> Result<(), ExportError>) -> Result<(), ExportError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        count(&counts.panics);
        Err(ExportError::new("it panicked"))
    })
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn describe(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold("metrics were not exported".to_owned(), |text, cause| format!("{text}: {cause}"))
}

static FAILED: Diagnostic = Diagnostic::new();
