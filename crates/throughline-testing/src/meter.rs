//! Measurements in memory.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use throughline_core::metrics::{Histogram, Instrument, Meter, UpDownCounter};
use throughline_core::{AttributeValue, Key, SpanContext, Value};

/// Keeps every measurement in memory, by series.
///
/// A clone sees the same series. The memory is not bounded: [`clear`](Self::clear) it in a test that runs for long.
///
/// ```
/// use throughline_core::Scope;
/// use throughline_core::metrics::{Instrument, Meter};
/// use throughline_testing::MemoryMeter;
///
/// static SCOPE: Scope = Scope { name: "my-jobs", version: "1.0.0" };
/// static ACTIVE: Instrument = Instrument::new(&SCOPE, "job.active", "{job}", "Number of active jobs.");
///
/// let meter = MemoryMeter::new();
/// let active = meter.up_down_counter(&ACTIVE);
/// active.add(1, &[("job.name".into(), "audit".into())]);
/// assert_eq!(meter.sum("job.active"), 1.0);
/// assert_eq!(meter.series("job.active")[0].to_string(), "job.active{job.name=audit}: 1");
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryMeter(Arc<Mutex<State>>);

/// What one instrument was told with one set of attributes.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Series {
    /// The instrument.
    pub instrument: Instrument,
    /// The attributes, in the order in which they were given.
    pub attributes: Vec<(String, AttributeValue)>,
    /// The values that a histogram took, or what was added to a counter, in order.
    pub values: Vec<f64>,
    /// The spans that a histogram's values were measured on, in the same order.
    pub spans: Vec<SpanContext>,
}

#[derive(Debug, Default)]
struct State {
    instruments: Vec<Instrument>,
    series: Vec<Series>,
}

struct MemoryInstrument {
    meter: MemoryMeter,
    instrument: Instrument,
}

// === impl MemoryMeter ===

impl MemoryMeter {
    /// A meter without series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The instruments that were made, each once.
    #[must_use]
    pub fn instruments(&self) -> Vec<Instrument> {
        self.lock().instruments.clone()
    }

    /// The series of that instrument, in the order in which they came up.
    #[must_use]
    pub fn series(&self, instrument: &str) -> Vec<Series> {
        self.lock().series.iter().filter(|series| series.instrument.name == instrument).cloned().collect()
    }

    /// The sum of all values of that instrument, over all its series: for a gauge, how many there are.
    #[must_use]
    pub fn sum(&self, instrument: &str) -> f64 {
        self.series(instrument).iter().map(Series::sum).sum()
    }

    /// How many values that instrument was told, over all its series.
    #[must_use]
    pub fn count(&self, instrument: &str) -> usize {
        self.series(instrument).iter().map(|series| series.values.len()).sum()
    }

    /// Forgets the series.
    pub fn clear(&self) {
        self.lock().series.clear();
    }

    fn make(&self, instrument: &Instrument) -> Arc<MemoryInstrument> {
        let mut state = self.lock();
        if !state.instruments.contains(instrument) {
            state.instruments.push(*instrument);
        }
        Arc::new(MemoryInstrument { meter: self.clone(), instrument: *instrument })
    }

    /// A test that panicked with the lock must not take the others' series with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for MemoryMeter {
    fn histogram(&self, instrument: &Instrument) -> Arc<dyn Histogram> {
        self.make(instrument)
    }

    fn up_down_counter(&self, instrument: &Instrument) -> Arc<dyn UpDownCounter> {
        self.make(instrument)
    }
}

// === impl MemoryInstrument ===

impl MemoryInstrument {
    fn note(&self, value: f64, attributes: &[(Key<'_>, Value<'_>)], span: Option<SpanContext>) {
        let attributes: Vec<_> =
            attributes.iter().map(|(key, value)| (key.as_str().to_owned(), value.to_owned())).collect();
        let mut state = self.meter.lock();
        let known = |series: &Series| series.instrument == self.instrument && series.attributes == attributes;
        let at = state.series.iter().position(known).unwrap_or_else(|| {
            let instrument = self.instrument;
            state.series.push(Series { instrument, attributes, values: Vec::new(), spans: Vec::new() });
            state.series.len() - 1
        });
        state.series[at].values.push(value);
        state.series[at].spans.extend(span);
    }
}

impl Histogram for MemoryInstrument {
    fn record(&self, value: f64, attributes: &[(Key<'_>, Value<'_>)], span: SpanContext) {
        self.note(value, attributes, Some(span));
    }
}

impl UpDownCounter for MemoryInstrument {
    fn add(&self, delta: i64, attributes: &[(Key<'_>, Value<'_>)]) {
        self.note(delta as f64, attributes, None);
    }
}

// === impl Series ===

impl Series {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&AttributeValue> {
        self.attributes.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The sum of the values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.values.iter().sum()
    }

    /// The attributes as text: `{http.request.method=GET, url.scheme=http}`.
    #[must_use]
    pub fn labels(&self) -> String {
        let labels: Vec<_> = self.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{{{}}}", labels.join(", "))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:", self.instrument.name, self.labels())?;
        self.values.iter().try_for_each(|value| write!(f, " {value}"))
    }
}
