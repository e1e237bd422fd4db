//! Where what is measured goes.

use std::sync::Arc;

use throughline_core::Resource;
use throughline_core::metrics::Meter;
#[cfg(feature = "metrics")]
use throughline_otel::MetricsPipeline;

use crate::ConfigError;
use crate::config::MetricsConfig;

/// What instrumentations are to measure with.
#[derive(Default)]
pub(crate) enum MetricsSource {
    #[default]
    None,
    /// The program's meter; what becomes of it is its own affair.
    Meter(Arc<dyn Meter>),
    #[cfg(feature = "metrics")]
    Pipeline(MetricsPipeline),
    /// What variables say.
    Config(MetricsConfig),
}

/// What instrumentations measure with.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) meter: Option<Arc<dyn Meter>>,
    #[cfg(feature = "metrics")]
    pub(crate) pipeline: Option<MetricsPipeline>,
}

// === impl MetricsSource ===

impl MetricsSource {
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Builds exporters and starts the pipeline, if variables ask for one.
    pub(crate) fn build(self, resource: &Resource) -> Result<Metrics, ConfigError> {
        match self {
            Self::None => Ok(Metrics::default()),
            Self::Meter(meter) => Ok(Metrics::with(meter)),
            #[cfg(feature = "metrics")]
            Self::Pipeline(pipeline) => Ok(Metrics::of(pipeline)),
            #[cfg(feature = "metrics")]
            Self::Config(config) => Ok(config.build(resource)?.map(Metrics::of).unwrap_or_default()),
            #[cfg(not(feature = "metrics"))]
            Self::Config(MetricsConfig {}) => {
                let _ = resource;
                Ok(Metrics::default())
            }
        }
    }

    /// As [`build`](Self::build) for a test, in which nothing is exported.
    pub(crate) fn for_test(self) -> Metrics {
        match self {
            Self::Meter(meter) => Metrics::with(meter),
            _ => Metrics::default(),
        }
    }
}

// === impl Metrics ===

impl Metrics {
    fn with(meter: Arc<dyn Meter>) -> Self {
        Self {
            meter: Some(meter),
            #[cfg(feature = "metrics")]
            pipeline: None,
        }
    }

    #[cfg(feature = "metrics")]
    fn of(pipeline: MetricsPipeline) -> Self {
        Self { meter: Some(Arc::new(pipeline.meter())), pipeline: Some(pipeline) }
    }
}
