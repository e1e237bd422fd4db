//! `OtelExporter` from outside.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod conversion;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod runtimes;
mod support;
