//! Any OpenTelemetry span or metric exporter, OTLP among them, behind [throughline](https://docs.rs/throughline).
//!
//! [`OtelExporter`] makes a throughline [`Exporter`](throughline_export::Exporter) of whatever implements
//! `opentelemetry_sdk`'s `SpanExporter`; throughline keeps the context, the sampling and the pipeline, and the foreign
//! exporter only sends:
//!
//! ```
//! use opentelemetry_sdk::error::OTelSdkResult;
//! use opentelemetry_sdk::trace::{SpanData, SpanExporter};
//! use throughline_otel::OtelExporter;
//!
//! #[derive(Debug)]
//! struct Names;
//!
//! impl SpanExporter for Names {
//!     async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
//!         for span in batch {
//!             println!("{}", span.name);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let exporter = OtelExporter::new(|| Ok::<_, std::io::Error>(Names))?;
//! // throughline_export::Pipeline::builder(exporter).build()
//! # drop(exporter);
//! # Ok::<(), throughline_otel::BuildError>(())
//! ```
//!
//! With the feature `metrics`, `OtelMeter` is what instrumentations measure with, and `MetricsPipeline` takes that to
//! exporters.
//!
//! # Guarantees
//!
//! * The foreign exporter may block, may be asynchronous on tokio, may spawn tasks: it is built, driven and dropped
//!   where all three work, on a runtime of its own with one worker. The application's runtime is never used.
//! * What it does on the exporter's threads is not traced: neither by throughline nor by the OpenTelemetry SDK.
//! * An asynchronous export that takes too long is given up ([`OtelExporter::timeout`]).
//! * `Debug` of everything here shows no header values.
//!
//! # Features
//!
//! * `metrics`: `OtelMeter`, `MetricsPipeline`, `OtelMetricsExporter`. Version 0.33 of the SDK writes no exemplars.
//! * `otlp`, which implies `metrics`: OTLP over HTTP/protobuf, set up by the `OTEL_EXPORTER_OTLP_*` variables: `OtlpConfig`,
//!   `OtlpMetricsConfig`. TLS is rustls with *ring*, which needs a C compiler and nothing else.

mod convert;
mod error;
mod exporter;
mod live;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod worker;

pub use self::error::BuildError;
pub use self::exporter::OtelExporter;
#[cfg(feature = "metrics")]
pub use self::metrics::{MetricsPipeline, MetricsPipelineBuilder, MetricsStats, OtelMeter, OtelMetricsExporter};
#[cfg(feature = "otlp")]
pub use self::otlp::{InvalidVariable, OtlpConfig, OtlpExporter, OtlpMetricsConfig, OtlpMetricsExporter};
