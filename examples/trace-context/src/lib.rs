//! The service that a W3C Trace Context validation harness drives.
//!
//! [The harness](https://github.com/w3c/trace-context/tree/main/test) sends `POST /test` with the trace headers of one of
//! its cases, and a list of calls that the service is to make. It then judges the trace headers of those calls.

use std::error::Error;
use std::time::Duration;

use throughline::{Telemetry, TelemetryBuilder};

mod calls;
mod service;

pub use self::service::router;

/// The service's tracing before the `OTEL_*` variables had their say: spans leave after a second, not after five.
pub fn telemetry() -> TelemetryBuilder {
    Telemetry::builder().service_name("trace-context").schedule_delay(Duration::from_secs(1))
}

/// The error with its causes, in one line.
#[must_use]
pub fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
