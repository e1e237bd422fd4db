//! Exporters that a test holds in its hand.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use throughline_core::{SpanEnd, Tracer};
use throughline_export::{Batch, ExportError, Exporter, Pipeline, PipelineBuilder};

/// Long enough never to be reached by a test that passes.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// Short enough to be waited for by a test whose exporter is held.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// Remembers the names of the spans of each batch.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) batches: Arc<Mutex<Vec<Vec<String>>>>,
    pub(crate) calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Memory {
    pub(crate) fn names(&self) -> Vec<String> {
        self.batches.lock().unwrap().concat()
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.batches.lock().unwrap().iter().map(Vec::len).collect()
    }
}

impl Exporter for Memory {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        let names: Vec<_> = batch.spans().map(|span| span.name().to_text().into_owned()).collect();
        assert_eq!(names.len(), batch.len());
        self.batches.lock().unwrap().push(names);
        self.calls.lock().unwrap().push("export");
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        self.calls.lock().unwrap().push("flush");
        Ok(())
    }

    fn shutdown(&mut self) {
        self.calls.lock().unwrap().push("shutdown");
    }
}

/// Does what a function says.
pub(crate) struct By<F>(pub(crate) F);

impl<F: FnMut(&Batch<'_>) -> Result<(), ExportError> + Send + 'static> Exporter for By<F> {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        (self.0)(batch)
    }

    fn name(&self) -> &str {
        "the test's own"
    }
}

/// The test's end of an exporter that hangs in each export until it is let go.
pub(crate) struct Held {
    entered: Receiver<usize>,
    go: Sender<()>,
}

impl Held {
    pub(crate) fn exporter() -> (Self, impl Exporter) {
        let (enter, entered) = channel();
        let (go, gone) = channel();
        let exporter = By(move |batch: &Batch<'_>| {
            let _ = enter.send(batch.len());
            // Once the test has let go of its end, nothing is held any more.
            let _ = gone.recv();
            Ok(())
        });
        (Self { entered, go }, exporter)
    }

    /// Waits until the exporter hangs; in a batch of so many spans.
    pub(crate) fn hangs(&self) -> usize {
        self.entered.recv_timeout(LONG).unwrap()
    }

    pub(crate) fn let_go(&self) {
        self.go.send(()).unwrap();
    }
}

/// A pipeline that exports when it is asked to or a batch is full, not because time passes.
pub(crate) fn quiet(exporter: impl Exporter) -> PipelineBuilder {
    Pipeline::builder(exporter).schedule_delay(Duration::from_secs(3600))
}

pub(crate) fn tracer(pipeline: &Pipeline) -> Tracer {
    Tracer::builder().sink(pipeline.sink()).build()
}

pub(crate) fn end(tracer: &Tracer, name: &str) {
    tracer.span(name).root().start().end(SpanEnd::Completed);
}

pub(crate) fn end_many(tracer: &Tracer, count: usize) {
    for _ in 0..count {
        end(tracer, "span");
    }
}
