//! `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`: which traces are recorded.

use throughline_core::{AlwaysOff, AlwaysOn, ParentBased, Sampler, TraceIdRatio};

use super::variables::{Variables, refuse};
use crate::ConfigError;

/// A sampler that has a name.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum SamplerKind {
    AlwaysOn,
    AlwaysOff,
    Ratio(f64),
    ParentBasedAlwaysOn,
    ParentBasedAlwaysOff,
    ParentBasedRatio(f64),
}

impl SamplerKind {
    pub(crate) fn build(self) -> Box<dyn Sampler> {
        match self {
            Self::AlwaysOn => Box::new(AlwaysOn),
            Self::AlwaysOff => Box::new(AlwaysOff),
            Self::Ratio(ratio) => Box::new(TraceIdRatio::new(ratio)),
            Self::ParentBasedAlwaysOn => Box::new(ParentBased::new(AlwaysOn)),
            Self::ParentBasedAlwaysOff => Box::new(ParentBased::new(AlwaysOff)),
            Self::ParentBasedRatio(ratio) => Box::new(ParentBased::new(TraceIdRatio::new(ratio))),
        }
    }
}

pub(super) fn read(variables: &Variables<'_>) -> Result<Option<SamplerKind>, ConfigError> {
    let Some(value) = variables.get(SAMPLER) else { return Ok(None) };
    let kind = match &*value.to_ascii_lowercase() {
        "always_on" => SamplerKind::AlwaysOn,
        "always_off" => SamplerKind::AlwaysOff,
        "traceidratio" => SamplerKind::Ratio(ratio(variables)?),
        "parentbased_always_on" => SamplerKind::ParentBasedAlwaysOn,
        "parentbased_always_off" => SamplerKind::ParentBasedAlwaysOff,
        "parentbased_traceidratio" => SamplerKind::ParentBasedRatio(ratio(variables)?),
        other => return Err(refuse(SAMPLER, other, &KNOWN, ACCEPTED)),
    };
    Ok(Some(kind))
}

/// Read only for samplers that have one, as the specification wants it.
fn ratio(variables: &Variables<'_>) -> Result<f64, ConfigError> {
    let Some(value) = variables.get(ARGUMENT) else { return Ok(1.0) };
    match value.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(ConfigError::variable(ARGUMENT, format!("{value:?} is no ratio; accepted: 0.0 to 1.0"))),
    }
}

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const ACCEPTED: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                        parentbased_traceidratio";
const KNOWN: [&str; 4] = ["jaeger_remote", "parentbased_jaeger_remote", "xray", "parentbased_xray"];
