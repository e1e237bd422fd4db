//! What metrics are written to, without core knowing any metrics crate.
//!
//! An instrumentation asks a [`Meter`] for its instruments once, and writes to them from a
//! [`Listener`](crate::Listener), for unsampled operations too. `throughline-otel` has a meter over OpenTelemetry's,
//! `throughline-testing` one in memory:
//!
//! ```
//! use std::sync::Arc;
//! use throughline_core::metrics::{Histogram, Instrument, Meter};
//! use throughline_core::{End, Listener, Scope, Start};
//!
//! static SCOPE: Scope = Scope { name: "my-jobs", version: "1.0.0" };
//! static DURATION: Instrument = Instrument::new(&SCOPE, "job.duration", "s", "Duration of jobs.");
//!
//! struct JobMetrics(Arc<dyn Histogram>);
//!
//! impl JobMetrics {
//!     fn new(meter: &dyn Meter) -> Self {
//!         Self(meter.histogram(&DURATION))
//!     }
//! }
//!
//! impl Listener for JobMetrics {
//!     fn start(&self, _: &Start<'_>) {}
//!
//!     fn end(&self, end: &End<'_>) {
//!         let outcome = ("job.outcome".into(), end.end.as_str().into());
//!         self.0.record(end.duration.as_secs_f64(), &[outcome], end.span_context);
//!     }
//! }
//! ```
//!
//! # Guarantees
//!
//! * Both write methods are called on the request's path: an implementation neither blocks nor allocates for a series that
//!   it has seen before, and bounds the number of series.
//! * An attribute is there once per write. Whoever writes keeps to one order, and to few values.

use std::sync::Arc;

use crate::{Key, Scope, SpanContext, Value};

/// Makes instruments. Asked for the same one twice, it gives two handles of one.
pub trait Meter: Send + Sync + 'static {
    /// An instrument of which the distribution of values matters.
    fn histogram(&self, instrument: &Instrument) -> Arc<dyn Histogram>;
    /// An instrument that holds how many of something there are.
    fn up_down_counter(&self, instrument: &Instrument) -> Arc<dyn UpDownCounter>;
}

/// What an instrument is called and measures.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Instrument {
    /// The library that writes to it.
    pub scope: &'static Scope,
    /// Its name, by the semantic conventions.
    pub name: &'static str,
    /// Its unit in UCUM, such as `s`, `By` or `{request}`.
    pub unit: &'static str,
    /// What it measures, in a sentence.
    pub description: &'static str,
    /// The upper bounds of a histogram's buckets, ascending; the default of the metrics library if empty.
    pub buckets: &'static [f64],
}

/// Takes single values of something; made by [`Meter::histogram`].
pub trait Histogram: Send + Sync + 'static {
    /// Takes one value.
    ///
    /// The span is the one that the value was measured on. A sink that writes exemplars keeps it with the value if it is
    /// sampled.
    fn record(&self, value: f64, attributes: &[(Key<'_>, Value<'_>)], span: SpanContext);
}

/// Holds how many of something there are; made by [`Meter::up_down_counter`].
pub trait UpDownCounter: Send + Sync + 'static {
    /// So many more, or fewer. What was added comes off with the same attributes.
    fn add(&self, delta: i64, attributes: &[(Key<'_>, Value<'_>)]);
}

// === impl Instrument ===

impl Instrument {
    /// An instrument with the default buckets of the metrics library.
    #[must_use]
    pub const fn new(scope: &'static Scope, name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self { scope, name, unit, description, buckets: &[] }
    }

    /// The same with buckets of its own: their upper bounds, ascending.
    #[must_use]
    pub const fn with_buckets(mut self, buckets: &'static [f64]) -> Self {
        self.buckets = buckets;
        self
    }
}

// === impl Meter ===

impl<M: Meter + ?Sized> Meter for Arc<M> {
    fn histogram(&self, instrument: &Instrument) -> Arc<dyn Histogram> {
        (**self).histogram(instrument)
    }

    fn up_down_counter(&self, instrument: &Instrument) -> Arc<dyn UpDownCounter> {
        (**self).up_down_counter(instrument)
    }
}

/// The buckets that the semantic conventions ask of durations in seconds: of HTTP, RPC and messaging.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
