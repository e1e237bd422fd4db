//! The `OTEL_*` variables, as data.

mod batch;
mod exporter;
#[cfg(feature = "http")]
mod http;
mod limits;
mod metrics;
mod propagators;
mod resource;
mod sampler;
#[cfg(test)]
mod tests;
mod variables;

use throughline_core::SpanLimits;

use crate::ConfigError;

pub(crate) use self::batch::Batch;
pub(crate) use self::exporter::ExporterKind;
#[cfg(feature = "http")]
pub(crate) use self::http::HttpConfig;
pub(crate) use self::metrics::MetricsConfig;
pub(crate) use self::propagators::{NamedFormat, Propagators};
pub(crate) use self::sampler::SamplerKind;
use self::variables::Variables;

/// What the variables say. What they do not mention is `None`, or as it was before.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) disabled: bool,
    pub(crate) propagators: Propagators,
    /// The service's attributes; a later one wins.
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) sampler: Option<SamplerKind>,
    pub(crate) exporters: Option<Vec<ExporterKind>>,
    pub(crate) metrics: Option<MetricsConfig>,
    pub(crate) limits: SpanLimits,
    pub(crate) batch: Batch,
    #[cfg(feature = "http")]
    pub(crate) http: HttpConfig,
}

/// What the program had set before it asked the variables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before<'a> {
    pub(crate) limits: SpanLimits,
    pub(crate) batch: Batch,
    /// Whether spans already go somewhere, so that no variable need say where.
    pub(crate) has_exporter: bool,
    /// Whether measurements already go somewhere.
    pub(crate) has_meter: bool,
    /// The formats that have names beside the built-in ones.
    pub(crate) formats: &'a [NamedFormat],
}

impl Config {
    /// Reads all variables; the first bad one is the error.
    pub(crate) fn read(lookup: &dyn Fn(&str) -> Option<String>, before: Before<'_>) -> Result<Self, ConfigError> {
        let variables = Variables::new(lookup);
        let propagators = Propagators::read(&variables, before.formats)?;
        if variables.truth(DISABLED)?.unwrap_or(false) {
            // Somebody may have switched it off because the rest is broken.
            return Ok(Self {
                disabled: true,
                propagators,
                resource: Vec::new(),
                sampler: None,
                exporters: None,
                metrics: None,
                limits: before.limits,
                batch: before.batch,
                #[cfg(feature = "http")]
                http: HttpConfig::propagation(&variables)?,
            });
        }
        let exporters = exporter::read(&variables, before.has_exporter)?;
        Ok(Self {
            disabled: false,
            propagators,
            resource: resource::read(&variables)?,
            sampler: sampler::read(&variables)?,
            metrics: metrics::read(&variables, before.has_meter, exporters.as_deref())?,
            exporters,
            limits: limits::read(&variables, before.limits)?,
            batch: batch::read(&variables, before.batch)?,
            #[cfg(feature = "http")]
            http: HttpConfig::read(&variables)?,
        })
    }
}

const DISABLED: &str = "OTEL_SDK_DISABLED";
