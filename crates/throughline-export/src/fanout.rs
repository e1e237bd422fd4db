//! One pipeline, several exporters.

use std::fmt;
use std::time::{Duration, Instant};

use crate::guarded::Guarded;
use crate::{Batch, ExportError, Exporter};

/// Gives each batch to several exporters, one after the other.
///
/// One that fails or panics does not keep the others from getting it; after three panics in a row it is put aside. One
/// that is slow or hangs delays the others: give it a [`Pipeline`](crate::Pipeline) of its own.
///
/// A batch that any of them refused counts as failed, though the others have it, with the error of the first that did; the
/// error says which.
///
/// ```
/// use throughline_export::{Fanout, JsonLines, Waterfall};
///
/// let both = Fanout::new().and(Waterfall::stderr().exporter()).and(JsonLines::new(Vec::new()));
/// # let _ = both;
/// ```
#[derive(Default)]
#[must_use]
pub struct Fanout(Vec<Guarded>);

// === impl Fanout ===

impl Fanout {
    /// Gives batches to nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives batches to one exporter more.
    pub fn and(mut self, exporter: impl Exporter) -> Self {
        self.0.push(Guarded::new(Box::new(exporter)));
        self
    }

    /// Calls every exporter that is left; the first error, with the panics of all.
    fn each(&mut self, mut call: impl FnMut(&mut Guarded) -> Result<(), ExportError>) -> Result<(), ExportError> {
        let mut first: Option<ExportError> = None;
        for exporter in self.0.iter_mut().filter(|exporter| !exporter.is_gone()) {
            if let Err(error) = call(exporter) {
                first = Some(match first {
                    None => error,
                    Some(first) => first.with_panics_of(&error),
                });
            }
        }
        first.map_or(Ok(()), Err)
    }
}

impl Exporter for Fanout {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        if !self.0.is_empty() && self.0.iter().all(Guarded::is_gone) {
            return Err(ExportError::new("every exporter was put aside"));
        }
        self.each(|exporter| exporter.export(batch))
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        self.each(Guarded::flush)
    }

    fn tick(&mut self, now: Instant) -> Option<Duration> {
        self.0.iter_mut().filter_map(|exporter| exporter.tick(now).ok().flatten()).min()
    }

    fn shutdown(&mut self) {
        // There is nobody left to tell.
        let _ = self.each(Guarded::shutdown);
    }

    fn name(&self) -> &str {
        "fanout"
    }
}

impl From<Vec<Box<dyn Exporter>>> for Fanout {
    fn from(exporters: Vec<Box<dyn Exporter>>) -> Self {
        Self(exporters.into_iter().map(Guarded::new).collect())
    }
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout").field("exporters", &self.0.len()).finish()
    }
}
