//! Takes finished throughline spans in batches to an exporter.

mod error;
mod exporter;
mod fanout;
mod guarded;
mod json_lines;
mod pipeline;
mod queue;
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
