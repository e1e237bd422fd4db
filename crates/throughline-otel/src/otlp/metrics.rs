//! Metrics by OTLP.

use std::fmt;
use std::time::Duration;

use opentelemetry_otlp::{Compression, MetricExporter, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::Temporality;

use super::{GRACE, InvalidVariable, OtlpConfig, client, host, variables};
use crate::error::{BoxError, Reason};
use crate::{BuildError, OtelMetricsExporter};

/// Metrics by OTLP over HTTP/protobuf: where to, with which headers, for how long, cumulative or not.
///
/// The variables are those of [`OtlpConfig`], with `OTEL_EXPORTER_OTLP_METRICS_…` in place of
/// `OTEL_EXPORTER_OTLP_TRACES_…` and `v1/metrics` appended to the general endpoint. Beside them:
///
/// | variable | default | accepted |
/// |---|---|---|
/// | `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative` | `cumulative`, `delta`, `lowmemory` |
///
/// Failures are as those of spans; a failed export is not repeated, the next collection is.
///
/// ```
/// use throughline_otel::{MetricsPipeline, OtlpMetricsConfig};
///
/// let variables =
///     |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://collector:4318".to_owned());
/// let config = OtlpMetricsConfig::from_lookup(variables)?;
/// assert_eq!(config.url(), "http://collector:4318/v1/metrics");
/// let pipeline = MetricsPipeline::builder().exporter(config.exporter()?).build()?;
/// # drop(pipeline);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OtlpMetricsConfig {
    otlp: OtlpConfig,
    temporality: Temporality,
}

/// An exporter of metrics that speaks OTLP; made by [`OtlpMetricsConfig::exporter`].
pub type OtlpMetricsExporter = OtelMetricsExporter<MetricExporter>;

// === impl OtlpMetricsConfig ===

impl OtlpMetricsConfig {
    /// What the process's environment variables say.
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, InvalidVariable> {
        Self::from_lookup(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// As [`from_env`](Self::from_env), from variables that are kept elsewhere.
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidVariable> {
        let temporality = variables::temporality(&lookup)?;
        Ok(Self { otlp: variables::parse(&variables::METRICS, &lookup)?, temporality })
    }

    /// The URL that metrics are sent to, used as it is.
    ///
    /// # Errors
    ///
    /// Not a `http` or `https` URL.
    pub fn endpoint(mut self, url: &str) -> Result<Self, InvalidVariable> {
        self.otlp = self.otlp.endpoint(url)?;
        Ok(self)
    }

    /// One more header; an earlier one of that name is replaced.
    ///
    /// # Errors
    ///
    /// Not a header.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidVariable> {
        self.otlp = self.otlp.header(name, value)?;
        Ok(self)
    }

    /// How long one export may take, retries included.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.otlp.timeout = timeout;
        self
    }

    /// Whether metrics are compressed.
    #[must_use]
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.otlp.gzip = gzip;
        self
    }

    /// Whether metrics are sent as they add up from the start, or as what came since the last export.
    #[must_use]
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
        self
    }

    /// The URL that metrics are sent to.
    #[must_use]
    pub fn url(&self) -> String {
        self.otlp.url()
    }

    /// Builds the exporter, on a runtime of its own; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A certificate or key cannot be read, or there are no threads left.
    pub fn exporter(self) -> Result<OtlpMetricsExporter, BuildError> {
        let timeout = self.otlp.timeout.saturating_add(GRACE);
        let name = format!("OTLP metrics to {}", host(&self.otlp.endpoint));
        let reason = Reason::default();
        let below = reason.clone();
        let exporter = OtelMetricsExporter::new(move || self.build(below))?;
        Ok(exporter.timeout(timeout).named(name).reason(reason))
    }

    fn build(self, reason: Reason) -> Result<MetricExporter, BoxError> {
        // As for spans: whatever the builder is not given it would read from the environment.
        let Self { otlp, temporality } = self;
        let builder = MetricExporter::builder()
            .with_temporality(temporality)
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(otlp.endpoint.to_string())
            .with_timeout(otlp.timeout);
        let builder = if otlp.gzip { builder.with_compression(Compression::Gzip) } else { builder };
        Ok(builder.with_http_client(client::Client::new(otlp, reason, "data points")?).build()?)
    }
}

impl Default for OtlpMetricsConfig {
    /// What holds when no variable is set.
    fn default() -> Self {
        Self { otlp: OtlpConfig::to(variables::METRICS.default), temporality: Temporality::Cumulative }
    }
}

impl fmt::Debug for OtlpMetricsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { otlp, temporality } = self;
        f.debug_struct("OtlpMetricsConfig").field("otlp", otlp).field("temporality", temporality).finish()
    }
}
