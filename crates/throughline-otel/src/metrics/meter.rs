//! OpenTelemetry's meters as ours.

use std::fmt;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{self as theirs, MeterProvider};
use throughline_core::metrics::{Histogram, Instrument, Meter, UpDownCounter};
use throughline_core::{Key, Scope, SpanContext, Value};

use super::series::SeriesCache;

/// Any [`MeterProvider`] of OpenTelemetry as a [`Meter`] of ours.
///
/// Its instruments are made in the scope of the library that asks for them. A clone shares everything.
///
/// ```
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
/// use throughline_otel::OtelMeter;
///
/// let provider = SdkMeterProvider::builder().build(); // with the application's own reader
/// let meter = OtelMeter::new(provider);
/// // HttpMetrics::new(&meter), or TelemetryBuilder::meter(meter)
/// # drop(meter);
/// ```
///
/// # Guarantees
///
/// * Up to 2,000 sets of attributes over all instruments are kept as OpenTelemetry wants them, so that a measurement of
///   a known series allocates nothing and takes no lock of ours. One of another set costs the building of that set. Nothing
///   else is kept, and the SDK itself sums up what exceeds 2,000 series of an instrument (`otel.metric.overflow`).
/// * Spans are not passed on: version 0.33 of the SDK writes no exemplars.
#[derive(Clone)]
pub struct OtelMeter {
    provider: Arc<dyn MeterProvider + Send + Sync>,
    series: Arc<SeriesCache>,
}

struct OtelInstrument<I> {
    instrument: I,
    series: Arc<SeriesCache>,
}

// === impl OtelMeter ===

impl OtelMeter {
    /// A meter of this provider: an `SdkMeterProvider`, or `opentelemetry::global::meter_provider()`.
    #[must_use]
    pub fn new(provider: impl MeterProvider + Send + Sync + 'static) -> Self {
        Self { provider: Arc::new(provider), series: Arc::new(SeriesCache::new()) }
    }

    fn meter(&self, scope: &Scope) -> theirs::Meter {
        let scope = InstrumentationScope::builder(scope.name).with_version(scope.version).build();
        self.provider.meter_with_scope(scope)
    }

    fn share<I>(&self, instrument: I) -> Arc<OtelInstrument<I>> {
        Arc::new(OtelInstrument { instrument, series: Arc::clone(&self.series) })
    }
}

impl Meter for OtelMeter {
    fn histogram(&self, instrument: &Instrument) -> Arc<dyn Histogram> {
        let meter = self.meter(instrument.scope);
        let builder = meter.f64_histogram(instrument.name);
        let builder = builder.with_unit(instrument.unit).with_description(instrument.description);
        let buckets = instrument.buckets;
        self.share(if buckets.is_empty() { builder } else { builder.with_boundaries(buckets.to_vec()) }.build())
    }

    fn up_down_counter(&self, instrument: &Instrument) -> Arc<dyn UpDownCounter> {
        let meter = self.meter(instrument.scope);
        let builder = meter.i64_up_down_counter(instrument.name);
        self.share(builder.with_unit(instrument.unit).with_description(instrument.description).build())
    }
}

impl fmt::Debug for OtelMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtelMeter").finish_non_exhaustive()
    }
}

// === impl OtelInstrument ===

impl Histogram for OtelInstrument<theirs::Histogram<f64>> {
    fn record(&self, value: f64, attributes: &[(Key<'_>, Value<'_>)], _: SpanContext) {
        self.series.with(attributes, |attributes| self.instrument.record(value, attributes));
    }
}

impl UpDownCounter for OtelInstrument<theirs::UpDownCounter<i64>> {
    fn add(&self, delta: i64, attributes: &[(Key<'_>, Value<'_>)]) {
        self.series.with(attributes, |attributes| self.instrument.add(delta, attributes));
    }
}
