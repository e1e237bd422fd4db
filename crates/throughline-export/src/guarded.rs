//! An exporter whose panics reach nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::{Batch, ExportError, Exporter};

/// Turns panics into errors, and puts the exporter aside when it does nothing else any more.
pub(crate) struct Guarded {
    exporter: Option<Box<dyn Exporter>>,
    /// Since the last batch that it answered for: a flush or a tick with nothing to do proves nothing.
    panics: u32,
}

// === impl Guarded ===

impl Guarded {
    pub(crate) fn new(exporter: Box<dyn Exporter>) -> Self {
        Self { exporter: Some(exporter), panics: 0 }
    }

    /// Whether the exporter was put aside.
    pub(crate) fn is_gone(&self) -> bool {
        self.exporter.is_none()
    }

    pub(crate) fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        let result = self.call(|exporter| Ok(exporter.export(batch)))?;
        self.panics = 0;
        result.map_err(|error| self.named(error))
    }

    pub(crate) fn flush(&mut self) -> Result<(), ExportError> {
        self.call(Exporter::flush)
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Result<Option<Duration>, ExportError> {
        if self.is_gone() { Ok(None) } else { self.call(|exporter| Ok(exporter.tick(now))) }
    }

    /// The last call; the exporter is dropped with it.
    pub(crate) fn shutdown(&mut self) -> Result<(), ExportError> {
        let done = self.call(|exporter| {
            exporter.shutdown();
            Ok(())
        });
        self.drop_exporter().and(done)
    }

    fn call<R>(&mut self, call: impl FnOnce(&mut dyn Exporter) -> Result<R, ExportError>) -> Result<R, ExportError> {
        let Some(exporter) = &mut self.exporter else { return Err(ExportError::new("it was put aside")) };
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut **exporter)));
        let error = match result {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => self.named(error),
            Err(_) => {
                let error = self.named(ExportError::panicked());
                self.panics += 1;
                if self.panics >= MOST_PANICS {
                    // What panics all the time may also panic when it is dropped.
                    let _ = self.drop_exporter();
                }
                error
            }
        };
        Err(error)
    }

    /// Says whose error it is. A name may panic, too, and is then not known.
    fn named(&self, error: ExportError) -> ExportError {
        let name = self.exporter.as_deref().map(|exporter| {
            catch_unwind(AssertUnwindSafe(|| exporter.name().to_owned())).unwrap_or_else(|_| "an exporter".to_owned())
        });
        match name {
            Some(name) => error.of(&name),
            None => error,
        }
    }

    fn drop_exporter(&mut self) -> Result<(), ExportError> {
        let exporter = self.exporter.take();
        catch_unwind(AssertUnwindSafe(|| drop(exporter))).map_err(|_| ExportError::panicked())
    }
}

/// So many panics and no batch between them: the exporter is broken.
const MOST_PANICS: u32 = 3;
