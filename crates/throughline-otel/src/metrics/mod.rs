//! Metrics: OpenTelemetry's meters as ours, and the pipeline from them to exporters.

mod collector;
mod console;
mod exporter;
mod meter;
mod pipeline;
mod series;
mod stats;

pub use self::exporter::OtelMetricsExporter;
pub use self::meter::OtelMeter;
pub use self::pipeline::{MetricsPipeline, MetricsPipelineBuilder};
pub use self::stats::MetricsStats;
