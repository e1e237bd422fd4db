//! A foreign exporter where it lives.

use std::thread;

use crate::BuildError;
use crate::error::BoxError;
use crate::worker::Worker;

/// A foreign exporter and the runtime that it was built on, in the order in which they go.
pub(crate) struct Live<E> {
    pub(crate) exporter: E,
    pub(crate) worker: Worker,
}

impl<E: Send + 'static> Live<E> {
    /// Builds an exporter on a thread outside the application's runtime, with the exporter's own runtime entered, and
    /// waits for that.
    pub(crate) fn build<B, C>(build: B) -> Result<Self, BuildError>
    where
        B: FnOnce() -> Result<E, C> + Send + 'static,
        C: Into<BoxError>,
    {
        let built = thread::Builder::new().name("throughline-otel-build".to_owned()).spawn(move || {
            let worker = Worker::new()?;
            let exporter = worker.enter(|| build().map_err(Into::into))?;
            Ok(Self { exporter, worker })
        });
        match built.map_err(BuildError::new)?.join() {
            Ok(live) => live.map_err(BuildError),
            Err(_) => Err(BuildError::new("it panicked")),
        }
    }

    pub(crate) fn close(self) {
        let Self { exporter, worker } = self;
        worker.enter(move || drop(exporter));
    }

    /// For an exporter that the application never came to hand to a pipeline, and drops wherever it is: inside its
    /// runtime blocking clients would panic.
    pub(crate) fn close_anywhere(self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return self.close();
        }
        let closing = thread::Builder::new().name("throughline-otel-drop".to_owned());
        let _ = closing.spawn(move || self.close());
    }
}
