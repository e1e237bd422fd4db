//! What takes batches of finished spans.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use throughline_core::{FinishedSpan, Resource, SpanBuffer};

/// Takes batches of finished spans somewhere: a console, a file, a backend.
///
/// All methods are called on the pipeline's own thread, one at a time, in a context in which nothing is instrumented: an
/// exporter's own calls are never traced. It may block; a slow, failing, hanging or panicking exporter costs the
/// application nothing but counted spans.
///
/// ```
/// use throughline_export::{Batch, ExportError, Exporter};
///
/// /// Says how many spans there were.
/// struct Count(u64);
///
/// impl Exporter for Count {
///     fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
///         self.0 += batch.len() as u64;
///         Ok(())
///     }
///
///     fn shutdown(&mut self) {
///         println!("{} spans", self.0);
///     }
/// }
/// ```
pub trait Exporter: Send + 'static {
    /// Takes one batch.
    ///
    /// # Errors
    ///
    /// The batch was not taken; its spans are counted as failed. It is not offered again: retries are the
    /// exporter's, who knows which failures pass.
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError>;

    /// Finishes what was taken but not yet brought to its place.
    ///
    /// # Errors
    ///
    /// It could not be done.
    fn flush(&mut self) -> Result<(), ExportError> {
        Ok(())
    }

    /// Called after every cycle of the pipeline, for what has to be done at a time; how soon it wants to be called again.
    ///
    /// Without an answer it is called after the next batch, or after the pipeline's schedule delay.
    fn tick(&mut self, now: Instant) -> Option<Duration> {
        let _ = now;
        None
    }

    /// The last call, after a last [`flush`](Self::flush). It does not come if the shutdown's deadline came first: then
    /// the exporter is dropped as soon as it returns.
    fn shutdown(&mut self) {}

    /// What errors call it; by default the type. No secrets: it is printed.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }
}

/// Finished spans of one service, lent to an [`Exporter`].
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    buffers: &'a [SpanBuffer],
    resource: &'a Resource,
    first: usize,
    len: usize,
}

/// An exporter could not take a batch. Its text says which exporter, its source why.
#[derive(Debug)]
pub struct ExportError {
    /// Known once the error has left the exporter.
    exporter: Option<Box<str>>,
    cause: Box<dyn Error + Send + Sync>,
    panics: u32,
}

// === impl Exporter ===

impl Exporter for Box<dyn Exporter> {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        (**self).export(batch)
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        (**self).flush()
    }

    fn tick(&mut self, now: Instant) -> Option<Duration> {
        (**self).tick(now)
    }

    fn shutdown(&mut self) {
        (**self).shutdown();
    }

    fn name(&self) -> &str {
        (**self).name()
    }
}

// === impl Batch ===

impl<'a> Batch<'a> {
    /// All spans of a buffer, as those of one service.
    #[must_use]
    pub fn new(buffer: &'a SpanBuffer, resource: &'a Resource) -> Self {
        Self { buffers: std::slice::from_ref(buffer), resource, first: 0, len: buffer.len() }
    }

    /// A stretch of the spans of several buffers.
    pub(crate) fn of(buffers: &'a [SpanBuffer], resource: &'a Resource, first: usize, len: usize) -> Self {
        Self { buffers, resource, first, len }
    }

    /// The spans, in the order in which they ended on their thread.
    pub fn spans(&self) -> impl Iterator<Item = FinishedSpan<'a>> + use<'a> {
        let Self { buffers, resource, first, len } = *self;
        buffers.iter().flat_map(|buffer| buffer.spans(resource)).skip(first).take(len)
    }

    /// How many spans there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no span.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The service.
    #[must_use]
    pub fn resource(&self) -> &'a Resource {
        self.resource
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len).field("resource", &self.resource).finish_non_exhaustive()
    }
}

// === impl ExportError ===

impl ExportError {
    /// An error of this cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exporter: None, cause: cause.into(), panics: 0 }
    }

    /// The error of an exporter that panicked.
    pub(crate) fn panicked() -> Self {
        Self { exporter: None, cause: "it panicked".into(), panics: 1 }
    }

    /// The exporter of this name failed, unless it is already known which one.
    pub(crate) fn of(mut self, name: &str) -> Self {
        self.exporter.get_or_insert_with(|| name.into());
        self
    }

    pub(crate) fn with_panics_of(self, other: &Self) -> Self {
        Self { panics: self.panics + other.panics, ..self }
    }

    /// How many exporters panicked.
    pub(crate) fn panics(&self) -> u32 {
        self.panics
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.exporter.as_deref().unwrap_or("an exporter"))
    }
}

impl Error for ExportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
