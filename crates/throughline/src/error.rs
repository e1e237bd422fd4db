//! How a configuration can be wrong.

use std::error::Error as _;
use std::fmt;

/// A [`Telemetry`](crate::Telemetry) could not be set up.
///
/// The text is one message for whoever operates the service: it names the variable and says what is accepted. Values of
/// headers are never in it. `Debug` prints the same message, with its causes: a `main` that returns the error shows it so.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable has a value that cannot be used.
    #[error("invalid {variable}: {problem}")]
    #[non_exhaustive]
    Variable {
        /// The variable's name.
        variable: &'static str,
        /// What is wrong with its value, and what is accepted.
        problem: String,
    },
    /// A variable asks for what was not compiled in.
    #[error("{variable}={value} needs the cargo feature `{feature}` of the crate `throughline`")]
    #[non_exhaustive]
    MissingFeature {
        /// The variable's name.
        variable: &'static str,
        /// Its value, or the entry of its list.
        value: &'static str,
        /// The feature.
        feature: &'static str,
    },
    /// A propagator cannot have the name that the program gave it.
    #[error("no propagator can be named {name:?}: {problem}")]
    #[non_exhaustive]
    PropagatorName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An exporter could not be built.
    #[error("an exporter could not be built")]
    Exporter(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The pipeline to the exporters could not be started.
    #[error("the pipeline to the exporters could not be started")]
    Pipeline(#[source] throughline_export::BuildError),
}

impl ConfigError {
    /// The variable that is to blame.
    #[must_use]
    pub fn variable_name(&self) -> Option<&'static str> {
        match self {
            Self::Variable { variable, .. } | Self::MissingFeature { variable, .. } => Some(variable),
            Self::PropagatorName { .. } | Self::Exporter(_) | Self::Pipeline(_) => None,
        }
    }

    pub(crate) fn variable(variable: &'static str, problem: impl Into<String>) -> Self {
        Self::Variable { variable, problem: problem.into() }
    }

    /// A file that a variable named is read only when the exporter is built.
    #[cfg(feature = "otlp")]
    pub(crate) fn of_otlp(error: throughline_otel::BuildError) -> Self {
        let source = std::error::Error::source(&error);
        match source.and_then(|source| source.downcast_ref::<throughline_otel::InvalidVariable>()) {
            Some(invalid) => Self::variable(invalid.variable(), invalid.problem()),
            None => Self::Exporter(error.into()),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut next = self.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

/// The process has a tracer already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a global tracer was installed before")]
pub struct AlreadyInstalled(pub(crate) ());
