//! Setting up a [`Telemetry`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use throughline_core::metrics::Meter;
use throughline_core::processor::SpanProcessor;
use throughline_core::propagation::{Composite, Format, Propagator};
use throughline_core::{
    AlwaysOff, AttributeValue, Clock, FinishedSpan, IdGenerator, Listener, ParentBased, Resource, Sampler, SpanLimits,
    SpanSink, Tracer, TracerBuilder,
};
use throughline_export::{Exporter, Fanout, Pipeline};
use throughline_testing::MemorySink;
#[cfg(feature = "http")]
use throughline_tower::{HttpMetrics, HttpMetricsBuilder};

#[cfg(feature = "http")]
use crate::config::HttpConfig;
use crate::config::{Batch, Before, Config, ExporterKind, NamedFormat};
use crate::meter::{Metrics, MetricsSource};
use crate::{ConfigError, Telemetry, identity};

/// Sets up a [`Telemetry`]; made by [`Telemetry::builder`].
///
/// What is set later replaces what was set earlier, and [`env`](Self::env) is a setter like the others: call it last to
/// let the operator decide, call a setter after it to insist.
///
/// ```
/// use throughline::{ParentBased, Telemetry, TraceIdRatio};
///
/// # fn main() -> Result<(), throughline::ConfigError> {
/// let telemetry = Telemetry::builder()
///     .service_name("orders")
///     .resource_attribute("deployment.environment.name", "staging")
///     .sampler(ParentBased::new(TraceIdRatio::new(0.1)))
///     .build()?;
/// # Ok(()) }
/// ```
#[must_use]
pub struct TelemetryBuilder {
    tracer: TracerBuilder,
    propagator: Composite,
    formats: Vec<NamedFormat>,
    resource: Resource,
    limits: SpanLimits,
    exporters: Vec<Source>,
    sinks: Vec<Arc<dyn SpanSink>>,
    batch: Batch,
    metrics: MetricsSource,
    #[cfg(feature = "http")]
    http: HttpConfig,
    #[cfg(feature = "http")]
    http_metrics: HttpMetricsBuilder,
    enabled: bool,
}

enum Source {
    Given(Box<dyn Exporter>),
    Named(ExporterKind),
}

/// Several sinks as one.
struct Tee(Vec<Arc<dyn SpanSink>>);

// === impl TelemetryBuilder ===

impl TelemetryBuilder {
    pub(crate) fn new() -> Self {
        Self {
            tracer: Tracer::builder(),
            propagator: Composite::default(),
            formats: Vec::new(),
            resource: Resource::default(),
            limits: SpanLimits::DEFAULT,
            exporters: Vec::new(),
            sinks: Vec::new(),
            batch: Batch::default(),
            metrics: MetricsSource::None,
            #[cfg(feature = "http")]
            http: HttpConfig::default(),
            #[cfg(feature = "http")]
            http_metrics: HttpMetrics::builder(),
            enabled: true,
        }
    }

    /// What the service is called; an empty name is none.
    pub fn service_name(self, name: &str) -> Self {
        if name.is_empty() { self } else { self.resource_attribute("service.name", name) }
    }

    /// One more attribute of the service; an earlier one of that key is replaced.
    pub fn resource_attribute(mut self, key: &str, value: impl Into<AttributeValue>) -> Self {
        self.resource = self.resource.with(key, value);
        self
    }

    /// The service with all its attributes, in place of those set before.
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resource = resource;
        self
    }

    /// Who decides what is recorded; by default what the parent did, and every trace without one.
    pub fn sampler(mut self, sampler: impl Sampler) -> Self {
        self.tracer = self.tracer.sampler(sampler);
        self
    }

    /// The formats that contexts have on the wire, and what goes with them; by default W3C trace context and W3C baggage.
    ///
    /// Variables that name formats ([`env`](Self::env)) replace the formats, and keep policy, fields of baggage and budget.
    pub fn propagator(mut self, propagator: Composite) -> Self {
        self.propagator = propagator;
        self
    }

    /// Gives a format of one's own a name that `OTEL_PROPAGATORS` and its kin may use, in upper or lower case. It is used
    /// only if one of them does; call this before [`env`](Self::env).
    ///
    /// ```
    /// use throughline::Telemetry;
    /// use throughline::propagation::XRay;
    ///
    /// let lookup = |name: &str| (name == "OTEL_PROPAGATORS").then(|| "tracecontext,sqs".to_owned());
    /// let builder = Telemetry::builder().named_propagator("sqs", XRay::Sqs)?.env_from(lookup)?;
    /// # let _ = builder;
    /// # Ok::<(), throughline::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The name is a built-in format's ([`Format::NAMES`]), `none`, another propagator's, or no word of ASCII letters,
    /// digits, `-`, `_` and `.`.
    pub fn named_propagator(mut self, name: &str, propagator: impl Propagator) -> Result<Self, ConfigError> {
        self.formats.push(NamedFormat::new(name, Format::custom(propagator), &self.formats)?);
        Ok(self)
    }

    /// What one span may hold.
    pub fn limits(mut self, limits: SpanLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Where ids come from; by default they are random.
    pub fn ids(mut self, ids: impl IdGenerator) -> Self {
        self.tracer = self.tracer.ids(ids);
        self
    }

    /// Where the time comes from; by default the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.tracer = self.tracer.clock(clock);
        self
    }

    /// One more listener, which is told of every start and end of an operation.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.tracer = self.tracer.listener(listener);
        self
    }

    /// One more processor, which sees every recorded span at its start and at its end, before any exporter;
    /// [`processor`](crate::processor) has ready-made ones.
    ///
    /// ```
    /// use throughline::{Telemetry, processor};
    ///
    /// let redact = processor::on_end(|span| {
    ///     span.remove("user.email");
    ///     processor::Verdict::Pass
    /// });
    /// let builder = Telemetry::builder().processor(processor::essential(redact));
    /// # let _ = builder;
    /// ```
    pub fn processor(mut self, processor: impl SpanProcessor) -> Self {
        self.tracer = self.tracer.processor(processor);
        self
    }

    /// After how many panics of its hooks a processor is not called again; by default 10, and at least 1.
    pub fn max_hook_panics(mut self, max: u32) -> Self {
        self.tracer = self.tracer.max_hook_panics(max);
        self
    }

    /// What instrumentations measure with: with the feature `http`, requests by
    /// [`HttpMetrics`](crate::tower::HttpMetrics). Where it takes that, and when, is its own affair.
    ///
    /// ```
    /// use throughline::Telemetry;
    /// use throughline::testing::MemoryMeter;
    ///
    /// let meter = MemoryMeter::new();
    /// let (telemetry, spans) = Telemetry::builder().meter(meter.clone()).test();
    /// // ... requests through `telemetry.http_server()` ...
    /// assert_eq!(meter.sum("http.server.active_requests"), 0.0);
    /// # let _ = (telemetry, spans);
    /// ```
    pub fn meter(mut self, meter: impl Meter) -> Self {
        self.metrics = MetricsSource::Meter(Arc::new(meter));
        self
    }

    /// As [`meter`](Self::meter), with a pipeline that is flushed and shut down with the [`Telemetry`].
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, pipeline: throughline_otel::MetricsPipeline) -> Self {
        self.metrics = MetricsSource::Pipeline(pipeline);
        self
    }

    /// What is measured of HTTP beyond durations and active requests, where there is a meter.
    ///
    /// ```
    /// # use throughline::{Telemetry, tower::HttpMetrics};
    /// let builder = Telemetry::builder().http_metrics(HttpMetrics::builder().body_sizes());
    /// # let _ = builder;
    /// ```
    #[cfg(feature = "http")]
    pub fn http_metrics(mut self, metrics: HttpMetricsBuilder) -> Self {
        self.http_metrics = metrics;
        self
    }

    /// One more exporter; all get every batch, on one thread.
    pub fn exporter(mut self, exporter: impl Exporter) -> Self {
        self.exporters.push(Source::Given(Box::new(exporter)));
        self
    }

    /// One more sink, which gets every span on the thread that ends it, without a queue between.
    pub fn sink(mut self, sink: impl SpanSink) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// How many spans may wait for their export; by default 2048.
    pub fn max_queue_size(mut self, spans: usize) -> Self {
        self.batch.max_queue_size = Some(spans);
        self
    }

    /// How many bytes waiting spans may take; by default 8 MiB.
    pub fn max_queue_bytes(mut self, bytes: usize) -> Self {
        self.batch.max_queue_bytes = Some(bytes);
        self
    }

    /// How many spans exporters get at once; by default 512, or the queue's size if that is less.
    pub fn max_export_batch_size(mut self, spans: usize) -> Self {
        self.batch.max_export_batch_size = Some(spans);
        self
    }

    /// After how long fewer spans are exported, too; by default 5 seconds.
    pub fn schedule_delay(mut self, delay: Duration) -> Self {
        self.batch.schedule_delay = Some(delay);
        self
    }

    /// After how long a batch is counted as lost; by default 30 seconds, never if zero.
    pub fn export_timeout(mut self, timeout: Duration) -> Self {
        self.batch.export_timeout = Some(timeout);
        self
    }

    /// Whether there are spans at all; by default yes. Without them contexts flow all the same.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Lets the process's environment variables replace what was set so far; [`Telemetry::from_env`] lists them.
    ///
    /// Exporters that were set before stay, unless `OTEL_TRACES_EXPORTER` names others; a meter, unless
    /// `OTEL_METRICS_EXPORTER` does.
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn env(self) -> Result<Self, ConfigError> {
        // What is no Unicode is no value of any variable: its replacement characters make for an error that shows it.
        self.env_from(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// As [`env`](Self::env), from variables that are kept elsewhere.
    ///
    /// ```
    /// use throughline::Telemetry;
    ///
    /// let lookup = |name: &str| (name == "OTEL_TRACES_SAMPLER").then(|| "sometimes".to_owned());
    /// let error = Telemetry::builder().env_from(lookup).unwrap_err();
    /// assert!(error.to_string().starts_with(r#"invalid OTEL_TRACES_SAMPLER: unknown value "sometimes"; accepted: "#));
    /// ```
    ///
    /// # Errors
    ///
    /// The first variable whose value cannot be used.
    pub fn env_from(mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let has_exporter = !self.exporters.is_empty() || !self.sinks.is_empty();
        let has_meter = !self.metrics.is_none();
        let before = Before { limits: self.limits, batch: self.batch, has_exporter, has_meter, formats: &self.formats };
        let config = Config::read(&lookup, before)?;
        #[cfg(feature = "http")]
        self.http.clone_from(&config.http);
        let Config { disabled, propagators, resource, sampler, exporters, metrics, limits, batch, .. } = config;
        self.enabled &= !disabled;
        (self.limits, self.batch) = (limits, batch);
        for (key, value) in &resource {
            self = self.resource_attribute(key, value);
        }
        self.propagator = propagators.apply(self.propagator);
        if let Some(sampler) = sampler {
            self = self.sampler(sampler.build());
        }
        if let Some(exporters) = exporters {
            self.exporters = exporters.into_iter().map(Source::Named).collect();
        }
        if let Some(metrics) = metrics {
            self.metrics = MetricsSource::Config(metrics);
        }
        Ok(self)
    }

    /// Builds exporters and starts the pipeline to them. Without an exporter there is no pipeline, and no thread.
    ///
    /// # Errors
    ///
    /// An exporter cannot be built, a size makes no sense, or there are no threads left.
    pub fn build(mut self) -> Result<Telemetry, ConfigError> {
        let resource = identity::complete(&self.resource);
        let mut exporters = Vec::new();
        if self.exporters.iter().all(|source| matches!(source, Source::Named(ExporterKind::Console))) {
            // Somebody sits before it.
            self.batch.schedule_delay.get_or_insert(CONSOLE_DELAY);
        }
        if self.enabled {
            for source in std::mem::take(&mut self.exporters) {
                exporters.push(match source {
                    Source::Given(exporter) => exporter,
                    Source::Named(kind) => kind.build()?,
                });
            }
        }
        let pipeline = match exporters.pop() {
            None => None,
            Some(only) if exporters.is_empty() => Some(self.pipeline(only, &resource)?),
            Some(last) => {
                exporters.push(last);
                Some(self.pipeline(Fanout::from(exporters), &resource)?)
            }
        };
        if let Some(pipeline) = &pipeline {
            self.sinks.push(Arc::new(pipeline.sink()));
        }
        let metrics = std::mem::take(&mut self.metrics);
        let metrics = if self.enabled { metrics.build(&resource)? } else { Metrics::default() };
        Ok(self.finish(resource, pipeline, metrics))
    }

    /// Builds it for a test: spans go to memory, and to no exporter.
    ///
    /// ```
    /// use throughline::{AlwaysOff, SpanEnd, Telemetry};
    ///
    /// let (telemetry, spans) = Telemetry::builder().sampler(AlwaysOff).test();
    /// telemetry.tracer().span("rebuild index").start().end(SpanEnd::Completed);
    /// assert!(spans.is_empty());
    /// ```
    #[must_use]
    pub fn test(mut self) -> (Telemetry, MemorySink) {
        let memory = MemorySink::new();
        self.sinks.push(Arc::new(memory.clone()));
        let resource = identity::complete(&self.resource);
        let metrics = std::mem::take(&mut self.metrics).for_test();
        (self.finish(resource, None, metrics), memory)
    }

    fn pipeline(&self, exporter: impl Exporter, resource: &Resource) -> Result<Pipeline, ConfigError> {
        let builder = Pipeline::builder(exporter).resource(resource.clone());
        self.batch.apply(builder).build().map_err(ConfigError::Pipeline)
    }

    fn finish(mut self, resource: Resource, pipeline: Option<Pipeline>, metrics: Metrics) -> Telemetry {
        #[cfg(feature = "http")]
        let http = self.http.clone();
        let Metrics {
            meter,
            #[cfg(feature = "metrics")]
                pipeline: metrics,
        } = metrics;
        if let Some(meter) = meter {
            self = self.measured_with(&*meter);
        }
        Telemetry::new(crate::telemetry::Inner {
            #[cfg(feature = "http")]
            http,
            tracer: self.into_tracer(resource),
            pipeline,
            #[cfg(feature = "metrics")]
            metrics,
        })
    }

    #[cfg(feature = "http")]
    fn measured_with(mut self, meter: &dyn Meter) -> Self {
        self.tracer = self.tracer.listener(self.http_metrics.build(meter));
        self
    }

    /// Only HTTP is measured so far.
    #[cfg(not(feature = "http"))]
    fn measured_with(self, _: &dyn Meter) -> Self {
        self
    }

    fn into_tracer(self, resource: Resource) -> Tracer {
        let Self { tracer, propagator, limits, mut sinks, enabled, .. } = self;
        let tracer = tracer.resource(resource).propagator(propagator).limits(limits).enabled(enabled);
        if !enabled {
            // What the application starts by hand goes nowhere, and does not change what a parent decided.
            return tracer.sampler(ParentBased::new(AlwaysOff)).build();
        }
        match sinks.pop() {
            None => tracer.build(),
            Some(only) if sinks.is_empty() => tracer.sink(only).build(),
            Some(last) => {
                sinks.push(last);
                tracer.sink(Tee(sinks)).build()
            }
        }
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryBuilder")
            .field("resource", &self.resource)
            .field("propagator", &self.propagator)
            .field("limits", &self.limits)
            .field("exporters", &self.exporters.len())
            .field("batch", &self.batch)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

// === impl Tee ===

impl SpanSink for Tee {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        for sink in &self.0 {
            sink.on_end(span);
        }
    }
}

const CONSOLE_DELAY: Duration = Duration::from_millis(200);
