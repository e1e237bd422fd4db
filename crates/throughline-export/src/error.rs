//! How a flush, a shutdown and the building of a pipeline can fail.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::ExportError;

/// A pipeline could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A size or a time that must not be zero is.
    Zero {
        /// The setting's name, as in [`PipelineBuilder`](crate::PipelineBuilder).
        setting: &'static str,
    },
    /// A batch would be larger than the queue that it is gathered in.
    BatchExceedsQueue {
        /// The batch's size.
        batch: usize,
        /// The queue's size.
        queue: usize,
    },
    /// The system gave no thread.
    Thread(io::Error),
}

/// A flush did not do all it should.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FlushError {
    /// The deadline came first. The spans are not lost yet: they are exported when the exporter gets to them.
    TimedOut {
        /// Spans that were waiting or in export when it came.
        waiting: u64,
    },
    /// An exporter failed between the call and its answer.
    Exporter {
        /// Spans that an exporter refused, panicked over or took too long for. Of several in one
        /// [`Fanout`](crate::Fanout) the others may have taken them.
        failed: u64,
        /// The last error, which says whose it is.
        cause: Option<Arc<ExportError>>,
    },
}

/// A shutdown did not do all it should.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The deadline came first.
    TimedOut {
        /// Spans that had ended before the shutdown and were not exported.
        lost: u64,
    },
    /// An exporter failed between the call and its end.
    Exporter {
        /// Spans that an exporter refused, panicked over or took too long for. Of several in one
        /// [`Fanout`](crate::Fanout) the others may have taken them.
        failed: u64,
        /// The last error, which says whose it is.
        cause: Option<Arc<ExportError>>,
    },
}

/// What the exporter did wrong in a stretch of time.
pub(crate) struct Failure {
    pub(crate) spans: u64,
    pub(crate) cause: Option<Arc<ExportError>>,
}

// === impl BuildError ===

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { setting } => write!(f, "{setting} must not be zero"),
            Self::BatchExceedsQueue { batch, queue } => {
                write!(f, "max_export_batch_size ({batch}) must not exceed max_queue_size ({queue})")
            }
            Self::Thread(_) => f.write_str("the exporter's thread could not be started"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            Self::Zero { .. } | Self::BatchExceedsQueue { .. } => None,
        }
    }
}

// === impl FlushError ===

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { waiting: 0 } => f.write_str("the deadline came before the exporter was done"),
            Self::TimedOut { waiting } => write!(f, "the deadline came with {waiting} spans not yet exported"),
            Self::Exporter { failed, .. } => failed_on(f, *failed),
        }
    }
}

impl Error for FlushError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Exporter { cause: Some(cause), .. } => Some(&**cause),
            Self::Exporter { .. } | Self::TimedOut { .. } => None,
        }
    }
}

// === impl ShutdownError ===

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { lost: 0 } => f.write_str("the deadline came before the exporter was done"),
            Self::TimedOut { lost } => write!(f, "the deadline came and {lost} spans were lost"),
            Self::Exporter { failed, .. } => failed_on(f, *failed),
        }
    }
}

impl Error for ShutdownError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Exporter { cause: Some(cause), .. } => Some(&**cause),
            Self::Exporter { .. } | Self::TimedOut { .. } => None,
        }
    }
}

// === impl Failure ===

impl Failure {
    /// The worker ended without having been asked to.
    pub(crate) fn gone() -> Self {
        Self { spans: 0, cause: Some(Arc::new(ExportError::new("the exporter's thread is gone"))) }
    }

    pub(crate) fn into_flush(self) -> FlushError {
        FlushError::Exporter { failed: self.spans, cause: self.cause }
    }

    pub(crate) fn into_shutdown(self) -> ShutdownError {
        ShutdownError::Exporter { failed: self.spans, cause: self.cause }
    }
}

impl From<ShutdownError> for FlushError {
    /// What a flush says of which the pipeline was shut down meanwhile.
    fn from(error: ShutdownError) -> Self {
        match error {
            ShutdownError::TimedOut { lost } => Self::Exporter { failed: lost, cause: None },
            ShutdownError::Exporter { failed, cause } => Self::Exporter { failed, cause },
        }
    }
}

fn failed_on(f: &mut fmt::Formatter<'_>, spans: u64) -> fmt::Result {
    match spans {
        0 => f.write_str("an exporter failed"),
        1 => f.write_str("an exporter failed on 1 span"),
        spans => write!(f, "an exporter failed on {spans} spans"),
    }
}
