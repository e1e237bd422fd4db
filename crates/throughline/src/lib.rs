//! One trace context through everything a tokio service does, recorded at next to no cost.
//!
//! ```
//! use std::time::Duration;
//! use throughline::{SpanEnd, Telemetry};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In `main`: `Telemetry::from_env("orders")?`, which reads the OTEL_* variables. In a test:
//! let (telemetry, spans) = Telemetry::test();
//! telemetry.tracer().span("rebuild index").start().end(SpanEnd::Completed);
//! assert_eq!(spans.spans()[0].name, "rebuild index");
//! telemetry.shutdown(Duration::from_secs(5)).wait()?;
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! * `http` (default): server and client layers for any tower service of HTTP requests.
//! * `axum`: routes, peers and extractors for axum.
//! * `serde`: [`DurableContext`], [`TraceId`] and [`SpanId`] as text.
//! * `otel`: any exporter of the OpenTelemetry SDK ([`otel`](https://docs.rs/throughline-otel)).
//! * `metrics`: OpenTelemetry's meters, and a pipeline from them to the metric exporters of its SDK.
//! * `otlp`: export of spans and metrics over OTLP/HTTP, the default of [`Telemetry::from_env`]; implies `metrics`.

mod both;
mod builder;
mod config;
mod error;
pub mod guide;
mod identity;
#[cfg(feature = "http")]
mod layers;
mod meter;
mod telemetry;

#[cfg(feature = "axum")]
pub use throughline_axum as axum;
pub use throughline_core::*;
pub use throughline_export as export;
#[cfg(feature = "otel")]
pub use throughline_otel as otel;
pub use throughline_task as task;
pub use throughline_testing as testing;
#[cfg(feature = "http")]
pub use throughline_tower as tower;

pub use self::builder::TelemetryBuilder;
pub use self::error::{AlreadyInstalled, ConfigError};
pub use self::telemetry::{Flush, Shutdown, Telemetry, TelemetryStats};

/// The README's programs compile, and its test passes.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
