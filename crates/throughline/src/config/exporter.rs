//! `OTEL_TRACES_EXPORTER`: where finished spans go.

use throughline_core::Diagnostic;
use throughline_export::{Exporter, Waterfall};

use super::variables::{Variables, refuse};
use crate::ConfigError;

/// An exporter that has a name.
#[derive(Clone, Debug)]
pub(crate) enum ExporterKind {
    Console,
    #[cfg(feature = "otlp")]
    Otlp(Box<throughline_otel::OtlpConfig>),
}

impl ExporterKind {
    pub(crate) fn build(self) -> Result<Box<dyn Exporter>, ConfigError> {
        match self {
            Self::Console => Ok(Box::new(Waterfall::stdout().exporter())),
            #[cfg(feature = "otlp")]
            Self::Otlp(config) => Ok(Box::new(config.exporter().map_err(ConfigError::of_otlp)?)),
        }
    }
}

/// `None` if the program has said where spans go and no variable does.
pub(super) fn read(variables: &Variables<'_>, has_exporter: bool) -> Result<Option<Vec<ExporterKind>>, ConfigError> {
    match variables.list(EXPORTER)? {
        Some(entries) => entries.iter().map(|entry| named(entry, variables)).collect::<Result<_, _>>().map(Some),
        None if has_exporter => Ok(None),
        None if cfg!(feature = "otlp") => Ok(Some(vec![otlp(variables)?])),
        None => {
            if let Some(variable) = OTLP.into_iter().find(|name| variables.get(name).is_some()) {
                return Err(ConfigError::MissingFeature { variable, value: "…", feature: "otlp" });
            }
            NOWHERE.warn(|| {
                format!(
                    "spans go nowhere: {EXPORTER} is not set, and its default, otlp, needs the cargo feature `otlp`"
                )
            });
            Ok(Some(Vec::new()))
        }
    }
}

fn named(name: &str, variables: &Variables<'_>) -> Result<ExporterKind, ConfigError> {
    match name {
        "otlp" => otlp(variables),
        "console" => Ok(ExporterKind::Console),
        other => Err(refuse(EXPORTER, other, &KNOWN, ACCEPTED)),
    }
}

#[cfg(feature = "otlp")]
fn otlp(variables: &Variables<'_>) -> Result<ExporterKind, ConfigError> {
    match throughline_otel::OtlpConfig::from_lookup(variables.lookup()) {
        Ok(config) => Ok(ExporterKind::Otlp(Box::new(config))),
        Err(error) => Err(ConfigError::variable(error.variable(), error.problem())),
    }
}

#[cfg(not(feature = "otlp"))]
fn otlp(_: &Variables<'_>) -> Result<ExporterKind, ConfigError> {
    Err(ConfigError::MissingFeature { variable: EXPORTER, value: "otlp", feature: "otlp" })
}

static NOWHERE: Diagnostic = Diagnostic::new();

const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
/// Who sets one of these wants spans to arrive there.
const OTLP: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
const ACCEPTED: &str = "otlp, console, none";
const KNOWN: [&str; 3] = ["zipkin", "jaeger", "otlp/stdout"];
