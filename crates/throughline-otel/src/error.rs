//! What goes wrong with foreign exporters.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use opentelemetry_sdk::error::OTelSdkResult;
use throughline_export::ExportError;

/// A foreign exporter could not be built, or what drives it not be started.
#[derive(Debug)]
pub struct BuildError(pub(crate) BoxError);

/// Why the last call failed, as somebody below the foreign exporter knows it; the exporter itself may keep it back.
#[derive(Clone, Default)]
pub(crate) struct Reason(Arc<Mutex<Option<BoxError>>>);

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

// === impl BuildError ===

impl BuildError {
    pub(crate) fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the exporter could not be built")
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

// === impl Reason ===

impl Reason {
    #[cfg(feature = "otlp")]
    pub(crate) fn set(&self, reason: Option<BoxError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn take(&self) -> Option<BoxError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What an export came to; nothing if it took longer than the limit.
    pub(crate) fn settle(&self, result: Option<OTelSdkResult>, limit: Duration) -> Result<(), ExportError> {
        match result {
            Some(result) => {
                result.map_err(|error| self.take().map_or_else(|| ExportError::new(error), ExportError::new))
            }
            None => {
                let message = format!("no answer within {limit:?}");
                Err(ExportError::new(io::Error::new(io::ErrorKind::TimedOut, message)))
            }
        }
    }
}
