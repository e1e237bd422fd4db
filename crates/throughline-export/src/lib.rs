//! Takes finished [throughline](https://docs.rs/throughline) spans in batches to an exporter, on a thread of its own.
//!
//! ```
//! use std::time::Duration;
//! use throughline_core::{Resource, SpanEnd, Tracer};
//! use throughline_export::{Pipeline, Waterfall};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Resource::new("orders");
//! let pipeline = Pipeline::builder(Waterfall::stderr().exporter()).resource(service.clone()).build()?;
//! let tracer = Tracer::builder().resource(service).sink(pipeline.sink()).build();
//!
//! tracer.span("rebuild index").start().end(SpanEnd::Completed);
//! pipeline.shutdown(Duration::from_secs(5)).wait()?; // draws the trace
//! # Ok(()) }
//! ```
//!
//! | to | there is |
//! |---|---|
//! | take spans from where they end to an exporter | [`Pipeline`], [`PipelineSink`], [`PipelineStats`] |
//! | see traces on a console | [`Waterfall`], [`render`] |
//! | write them for a machine | [`JsonLines`] |
//! | send them to several places | [`Fanout`] |
//! | send them anywhere | one's own [`Exporter`]; OTLP is in `throughline-otel` |
//!
//! # Guarantees
//!
//! * Whatever the exporter does, the application pays with counted spans and nothing else: see [`Pipeline`].
//! * Every buffer is bounded, in items and in bytes.
//! * What an exporter does is never traced.
//! * Flush and shutdown keep their deadlines, in async code of any runtime, in code of none, and in `Drop`.

mod error;
mod exporter;
mod fanout;
mod guarded;
mod json_lines;
mod pipeline;
mod queue;
mod request;
mod shared;
mod stats;
mod waterfall;
mod worker;

pub use self::error::{BuildError, FlushError, ShutdownError};
pub use self::exporter::{Batch, ExportError, Exporter};
pub use self::fanout::Fanout;
pub use self::json_lines::JsonLines;
pub use self::pipeline::{Flush, Pipeline, PipelineBuilder, PipelineSink, Shutdown};
pub use self::stats::PipelineStats;
pub use self::waterfall::{RenderOptions, Waterfall, WaterfallBuilder, WaterfallExporter, render};

/// Locks; a poisoned lock is entered, because nothing under ours leaves its content half done.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
