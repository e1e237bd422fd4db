//! `Telemetry` from outside.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

#[cfg(feature = "http")]
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod telemetry;
