//! The handle that a service sets up once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use throughline_core::{Stats, Tracer};
use throughline_export::{FlushError, Pipeline, PipelineStats, ShutdownError};
#[cfg(feature = "metrics")]
use throughline_otel::{MetricsPipeline, MetricsStats};
use throughline_testing::MemorySink;

use crate::both::Both;
#[cfg(feature = "http")]
use crate::config::HttpConfig;
use crate::{AlreadyInstalled, ConfigError, TelemetryBuilder};

/// A service's tracing: its [`Tracer`], and the pipeline that takes finished spans to exporters.
///
/// Set up once, in `main`; a clone is one refcount. **Keep it until the service ends**: layers and contexts hold the
/// tracer, not the pipeline. When the last clone is dropped without a [`shutdown`](Self::shutdown), what is waiting is
/// exported for one second at most, blocking; spans that end later are counted and dropped, and contexts still flow.
///
/// ```
/// use std::time::Duration;
/// use throughline::{SpanEnd, Telemetry};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let lookup = |name: &str| (name == "OTEL_TRACES_EXPORTER").then(|| "none".to_owned());
/// # let from_env = |name| Telemetry::builder().service_name(name).env_from(lookup)?.build();
/// # /*
/// let telemetry = Telemetry::from_env("orders")?;
/// # */ let telemetry = from_env("orders")?;
/// telemetry.tracer().span("rebuild index").start().end(SpanEnd::Completed);
/// telemetry.shutdown(Duration::from_secs(5)).wait()?; // or `.await`, in async code
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

/// What a [`Telemetry`] counted since it was built.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TelemetryStats {
    /// What went wrong quietly while spans were made.
    pub tracer: Stats,
    /// What became of finished spans; all zero where there is no exporter.
    pub pipeline: PipelineStats,
    /// What became of metrics; all zero where they have no exporter.
    #[cfg(feature = "metrics")]
    pub metrics: MetricsStats,
}

/// Waits until every span that ended before the call was exported, and every metric; made by [`Telemetry::flush`].
///
/// The flush goes on if this is dropped.
#[derive(Debug)]
#[must_use = "await it, or call `wait`"]
pub struct Flush(Both<throughline_export::Flush, FlushError>);

/// Waits until every span and metric was exported and the exporters have finished; made by [`Telemetry::shutdown`].
///
/// The shutdown goes on if this is dropped, without a deadline.
#[derive(Debug)]
#[must_use = "await it, or call `wait`"]
pub struct Shutdown(Both<throughline_export::Shutdown, ShutdownError>);

pub(crate) struct Inner {
    pub(crate) tracer: Tracer,
    pub(crate) pipeline: Option<Pipeline>,
    #[cfg(feature = "metrics")]
    pub(crate) metrics: Option<MetricsPipeline>,
    #[cfg(feature = "http")]
    pub(crate) http: HttpConfig,
}

// === impl Telemetry ===

impl Telemetry {
    /// Sets up tracing by hand; [`TelemetryBuilder::env`] lets variables have a say.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder::new()
    }

    /// Sets up tracing as the process's environment variables want it.
    ///
    /// The name is what the service is called if no variable names it. These are read; an empty one counts as unset, and
    /// names of things may be in upper or lower case:
    ///
    /// | variable | default | accepted |
    /// |---|---|---|
    /// | `OTEL_SDK_DISABLED` | `false` | `true`: no spans, no metrics, contexts flow all the same, no other variable is read but those of propagation: `…PROPAGATORS…` and `THROUGHLINE_BAGGAGE_TO` |
    /// | `OTEL_SERVICE_NAME` | the `name` given here | any; wins over `service.name` of the next one |
    /// | `OTEL_RESOURCE_ATTRIBUTES` | none | `key=value,key=value`, percent-encoded |
    /// | `OTEL_PROPAGATORS` | `tracecontext,baggage` | a list of formats, read and written in this order: `tracecontext`, `baggage`, `b3`, `b3multi`, `xray`, `xray-lambda`, `xray-sqs`, `jaeger`, `ottrace`, those of [`named_propagator`](TelemetryBuilder::named_propagator); or `none` |
    /// | `THROUGHLINE_PROPAGATORS_EXTRACT`, `…_INJECT` | `OTEL_PROPAGATORS` | the formats that are read, and those that are written, in its place |
    /// | `THROUGHLINE_PROPAGATORS_INJECT_MESSAGES` | what is written to requests | the formats that are written to messages |
    /// | `THROUGHLINE_PROPAGATORS_POLICY` | `last` | `last`, `first`: whom to believe where several formats have found something |
    /// | `OTEL_TRACES_SAMPLER` | `parentbased_always_on` | `always_on`, `always_off`, `traceidratio`, `parentbased_…` of the three |
    /// | `OTEL_TRACES_SAMPLER_ARG` | `1.0` | the ratio of the ratio samplers, 0.0 to 1.0 |
    /// | `OTEL_TRACES_EXPORTER` | `otlp` | `otlp` (feature `otlp`), `console` (a [`Waterfall`](crate::export::Waterfall) on the standard output), a list of them, or `none` |
    /// | `OTEL_METRICS_EXPORTER` | `otlp` where spans go by OTLP or an endpoint is set, else `none` | `otlp` (feature `otlp`), `console` (feature `metrics`; lines on the standard output), a list of them, or `none` |
    /// | `OTEL_METRIC_EXPORT_INTERVAL`, `…_TIMEOUT` | 60000, 30000 | milliseconds; a timeout of 0 is none |
    /// | `OTEL_METRICS_EXEMPLAR_FILTER` | | `trace_based`, `always_on`, `always_off`, all without effect: the SDK writes no exemplars |
    /// | `OTEL_EXPORTER_OTLP_…` | | see `throughline_otel::OtlpConfig`, and `OtlpMetricsConfig` for metrics |
    /// | `OTEL_BSP_SCHEDULE_DELAY`, `…_EXPORT_TIMEOUT` | 5000 (200 for the console alone), 30000 | milliseconds; a timeout of 0 is none |
    /// | `OTEL_BSP_MAX_QUEUE_SIZE`, `…_MAX_EXPORT_BATCH_SIZE` | 2048, 512 | spans; a batch is no larger than the queue |
    /// | `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, `OTEL_SPAN_EVENT_…`, `OTEL_SPAN_LINK_…`, `OTEL_EVENT_ATTRIBUTE_…`, `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`, for all attributes `OTEL_ATTRIBUTE_COUNT_LIMIT` | 128 | 0 to 65535 |
    /// | `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`, `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` | 4096 | bytes |
    /// | `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` | those of RFC 9110, PATCH and QUERY | a list in place of them; case counts |
    /// | `OTEL_INSTRUMENTATION_HTTP_{SERVER,CLIENT}_CAPTURE_{REQUEST,RESPONSE}_HEADERS` | none | lists of headers, or globs of them, that become attributes; credentials are refused |
    /// | `OTEL_INSTRUMENTATION_COMMON_PEER_SERVICE_MAPPING` | none | `host[:port][/path]=name,…`: what the services are called that clients talk to |
    /// | `THROUGHLINE_BAGGAGE_TO` | none | the hosts that may read baggage: `inventory,*.shop.internal,127.0.0.1:8080`; read even if spans are switched off |
    ///
    /// Without the feature `otlp`, an unset `OTEL_TRACES_EXPORTER` means that spans go nowhere, which is said once.
    /// Metrics go by OTLP by default where spans do, or where a variable says where a collector is; OpenTelemetry would send
    /// them to `localhost` for everybody else.
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used. OpenTelemetry would warn and go on with the default; here a service
    /// does not start with a configuration that nobody wanted.
    pub fn from_env(name: &str) -> Result<Self, ConfigError> {
        Self::builder().service_name(name).env()?.build()
    }

    /// Sets up tracing for a test, and gives the memory that its spans arrive in.
    ///
    /// Nothing is global: every test has its own. To change a setting, use [`TelemetryBuilder::test`].
    ///
    /// ```
    /// use throughline::{SpanEnd, Telemetry};
    ///
    /// let (telemetry, spans) = Telemetry::test();
    /// telemetry.tracer().span("rebuild index").start().end(SpanEnd::Completed);
    /// assert_eq!(spans.spans()[0].name, "rebuild index");
    /// ```
    #[must_use]
    pub fn test() -> (Self, MemorySink) {
        Self::builder().service_name("test").test()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    #[cfg(feature = "http")]
    pub(crate) fn http_config(&self) -> &HttpConfig {
        &self.0.http
    }

    /// What makes spans: for layers, for instrumentation, for the application's own.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.0.tracer
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> TelemetryStats {
        let pipeline = self.0.pipeline.as_ref().map(Pipeline::stats);
        TelemetryStats {
            tracer: self.0.tracer.stats(),
            pipeline: pipeline.unwrap_or_default(),
            #[cfg(feature = "metrics")]
            metrics: self.metrics().map(MetricsPipeline::stats).unwrap_or_default(),
        }
    }

    /// Where metrics go, if variables or the program set up a pipeline: for instruments of the application's own
    /// ([`MetricsPipeline::provider`]).
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(&self) -> Option<&MetricsPipeline> {
        self.0.metrics.as_ref()
    }

    /// Exports every span that ended before this call, and what was measured.
    ///
    /// It starts with the call, not with the first poll, and ends at the deadline, counted from the call, even if an
    /// exporter hangs. It can be awaited on any runtime, or waited for ([`Flush::wait`]).
    ///
    /// # Errors
    ///
    /// The deadline came first, or an exporter failed meanwhile.
    pub fn flush(&self, deadline: Duration) -> Flush {
        let spans = self.0.pipeline.as_ref().map(|pipeline| pipeline.flush(deadline));
        #[cfg(feature = "metrics")]
        let metrics = self.metrics().map(|metrics| metrics.flush(deadline));
        #[cfg(not(feature = "metrics"))]
        let metrics = None;
        Flush(Both::new(spans, metrics))
    }

    /// Exports every span that ended before this call and what was measured, lets no more spans in, and ends exporters and
    /// their threads.
    ///
    /// As with [`flush`](Self::flush) it starts with the call and ends at the deadline; what is not exported then is lost
    /// and counted. Contexts flow on. A second shutdown has the result of the first.
    ///
    /// # Errors
    ///
    /// The deadline came first, or an exporter failed meanwhile.
    pub fn shutdown(&self, deadline: Duration) -> Shutdown {
        let spans = self.0.pipeline.as_ref().map(|pipeline| pipeline.shutdown(deadline));
        #[cfg(feature = "metrics")]
        let metrics = self.metrics().map(|metrics| metrics.shutdown(deadline));
        #[cfg(not(feature = "metrics"))]
        let metrics = None;
        Shutdown(Both::new(spans, metrics))
    }

    /// Makes the tracer the process's own, for code that has neither a handle nor a context with one
    /// ([`Tracer::global`]). Layers do not need it. The handle is to be kept all the same.
    ///
    /// # Errors
    ///
    /// There is one already; it stays.
    pub fn install_global(&self) -> Result<(), AlreadyInstalled> {
        self.0.tracer.clone().install_global().map_err(|_| AlreadyInstalled(()))
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { tracer, pipeline, .. } = &*self.0;
        f.debug_struct("Telemetry").field("tracer", tracer).field("pipeline", pipeline).finish_non_exhaustive()
    }
}

// === impl Flush ===

impl Flush {
    /// Blocks the thread instead: for `Drop`, panic hooks and code without a runtime.
    ///
    /// # Errors
    ///
    /// As of [`Telemetry::flush`].
    pub fn wait(self) -> Result<(), FlushError> {
        self.0.wait(throughline_export::Flush::wait)
    }
}

impl Future for Flush {
    type Output = Result<(), FlushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

// === impl Shutdown ===

impl Shutdown {
    /// Blocks the thread instead: for `Drop`, panic hooks and code without a runtime.
    ///
    /// # Errors
    ///
    /// As of [`Telemetry::shutdown`].
    pub fn wait(self) -> Result<(), ShutdownError> {
        self.0.wait(throughline_export::Shutdown::wait)
    }
}

impl Future for Shutdown {
    type Output = Result<(), ShutdownError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

const fn assert_auto_traits<T: Send + Sync + Unpin + 'static>() {}
const _: () = {
    assert_auto_traits::<Telemetry>();
    assert_auto_traits::<Flush>();
    assert_auto_traits::<Shutdown>();
};
