//! `OTEL_METRICS_*`, `OTEL_METRIC_*`: where metrics go, and how often.

use super::ExporterKind;
use super::variables::{Variables, refuse};
use crate::ConfigError;

#[cfg(feature = "metrics")]
pub(crate) use self::pipeline::MetricsConfig;

/// Without the feature there is nothing to set up.
#[cfg(not(feature = "metrics"))]
#[derive(Debug)]
pub(crate) struct MetricsConfig {}

/// `None` if the program has said where metrics go and no variable does. `spans` is where the variables want spans to go.
pub(super) fn read(
    variables: &Variables<'_>,
    has_meter: bool,
    spans: Option<&[ExporterKind]>,
) -> Result<Option<MetricsConfig>, ConfigError> {
    // The SDK writes no exemplars. Who misspells that they are to be left out is told all the same.
    if let Some(filter) = variables.get(EXEMPLARS).filter(|filter| !FILTERS.contains(&&*filter.to_ascii_lowercase())) {
        return Err(refuse(EXEMPLARS, &filter, &[], "trace_based, always_on, always_off"));
    }
    let names = match variables.list(EXPORTER)? {
        Some(names) => names,
        None if has_meter => return Ok(None),
        None => by_default(variables, spans)?,
    };
    #[cfg(feature = "metrics")]
    return MetricsConfig::read(variables, &names).map(Some);
    #[cfg(not(feature = "metrics"))]
    match names.first().map(|name| &**name) {
        None => Ok(Some(MetricsConfig {})),
        Some("otlp") => Err(ConfigError::MissingFeature { variable: EXPORTER, value: "otlp", feature: "otlp" }),
        Some("console") => {
            Err(ConfigError::MissingFeature { variable: EXPORTER, value: "console", feature: "metrics" })
        }
        Some(other) => Err(refuse(EXPORTER, other, &KNOWN, ACCEPTED)),
    }
}

/// OTLP, as OpenTelemetry has it, but only for who has a collector: spans go there, or a variable says where it is.
fn by_default(variables: &Variables<'_>, spans: Option<&[ExporterKind]>) -> Result<Vec<String>, ConfigError> {
    let endpoint = ENDPOINTS.into_iter().find(|name| variables.get(name).is_some());
    if cfg!(feature = "otlp") {
        let has_collector = endpoint.is_some() || spans.unwrap_or_default().iter().any(is_otlp);
        return Ok(if has_collector { vec!["otlp".to_owned()] } else { Vec::new() });
    }
    match endpoint {
        Some(variable @ METRICS_ENDPOINT) => {
            Err(ConfigError::MissingFeature { variable, value: "…", feature: "otlp" })
        }
        _ => Ok(Vec::new()),
    }
}

fn is_otlp(kind: &ExporterKind) -> bool {
    !matches!(kind, ExporterKind::Console)
}

#[cfg(feature = "metrics")]
mod pipeline {
    use std::time::Duration;

    use throughline_core::Resource;
    use throughline_otel::{MetricsPipeline, MetricsPipelineBuilder};

    use super::*;

    /// A pipeline to be.
    #[derive(Debug)]
    pub(crate) struct MetricsConfig {
        exporters: Vec<MetricsKind>,
        interval: Option<Duration>,
        timeout: Option<Duration>,
    }

    /// An exporter of metrics that has a name.
    #[derive(Clone, Debug)]
    enum MetricsKind {
        Console,
        #[cfg(feature = "otlp")]
        Otlp(Box<throughline_otel::OtlpMetricsConfig>),
    }

    impl MetricsConfig {
        pub(super) fn read(variables: &Variables<'_>, names: &[String]) -> Result<Self, ConfigError> {
            let time = |name, least| {
                let millis = variables.number(name, least..=LONGEST)?;
                Ok::<_, ConfigError>(millis.map(Duration::from_millis))
            };
            Ok(Self {
                exporters: names.iter().map(|name| named(name, variables)).collect::<Result<_, _>>()?,
                interval: time("OTEL_METRIC_EXPORT_INTERVAL", 1)?,
                timeout: time("OTEL_METRIC_EXPORT_TIMEOUT", 0)?,
            })
        }

        /// Nothing where there is no exporter.
        pub(crate) fn build(self, resource: &Resource) -> Result<Option<MetricsPipeline>, ConfigError> {
            let Self { exporters, interval, timeout } = self;
            if exporters.is_empty() {
                return Ok(None);
            }
            let mut builder = MetricsPipeline::builder().resource(resource.clone());
            if let Some(interval) = interval {
                builder = builder.interval(interval);
            }
            if let Some(timeout) = timeout {
                builder = builder.export_timeout(timeout);
            }
            for kind in exporters {
                builder = kind.add_to(builder)?;
            }
            builder.build().map(Some).map_err(|error| ConfigError::Exporter(error.into()))
        }
    }

    impl MetricsKind {
        fn add_to(self, builder: MetricsPipelineBuilder) -> Result<MetricsPipelineBuilder, ConfigError> {
            match self {
                Self::Console => Ok(builder.console()),
                #[cfg(feature = "otlp")]
                Self::Otlp(config) => Ok(builder.exporter(config.exporter().map_err(ConfigError::of_otlp)?)),
            }
        }
    }

    fn named(name: &str, variables: &Variables<'_>) -> Result<MetricsKind, ConfigError> {
        match name {
            "otlp" => otlp(variables),
            "console" => Ok(MetricsKind::Console),
            other => Err(refuse(EXPORTER, other, &KNOWN, ACCEPTED)),
        }
    }

    #[cfg(feature = "otlp")]
    fn otlp(variables: &Variables<'_>) -> Result<MetricsKind, ConfigError> {
        match throughline_otel::OtlpMetricsConfig::from_lookup(variables.lookup()) {
            Ok(config) => Ok(MetricsKind::Otlp(Box::new(config))),
            Err(error) => Err(ConfigError::variable(error.variable(), error.problem())),
        }
    }

    #[cfg(not(feature = "otlp"))]
    fn otlp(_: &Variables<'_>) -> Result<MetricsKind, ConfigError> {
        Err(ConfigError::MissingFeature { variable: EXPORTER, value: "otlp", feature: "otlp" })
    }

    /// Some days: what is longer is a mistake.
    const LONGEST: u64 = u32::MAX as u64;
}

const EXPORTER: &str = "OTEL_METRICS_EXPORTER";
const EXEMPLARS: &str = "OTEL_METRICS_EXEMPLAR_FILTER";
const FILTERS: [&str; 3] = ["trace_based", "always_on", "always_off"];
const METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const ENDPOINTS: [&str; 2] = [METRICS_ENDPOINT, "OTEL_EXPORTER_OTLP_ENDPOINT"];
const ACCEPTED: &str = "otlp, console, none";
const KNOWN: [&str; 2] = ["prometheus", "otlp/stdout"];
