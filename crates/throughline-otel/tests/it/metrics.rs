//! Meters and their pipeline, without a network.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use throughline_core::metrics::{Instrument, Meter};
use throughline_core::{Context, Key, Scope, SpanContext, Value};
use throughline_otel::{BuildError, MetricsPipeline, OtelMetricsExporter};

static SCOPE: Scope = Scope { name: "it", version: "1.0.0" };
static DURATION: Instrument = Instrument::new(&SCOPE, "job.duration", "s", "Duration of jobs.");
static ACTIVE: Instrument = Instrument::new(&SCOPE, "job.active", "{job}", "Number of active jobs.");

const DEADLINE: Duration = Duration::from_secs(60);

/// How often each series was measured, at the last export.
type Counts = Arc<Mutex<BTreeMap<String, i64>>>;

/// Keeps what it is given; on the way it waits on a timer, as clients do, and does what else the test wants.
struct Kept {
    counts: Counts,
    on_export: fn() -> OTelSdkResult,
}

impl PushMetricExporter for Kept {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(Context::current().is_instrumentation_suppressed(), "nothing of it is traced");
        let mut counts = BTreeMap::new();
        for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
            let mut note = |attributes: Vec<_>, count| {
                let labels: Vec<_> = attributes.iter().map(|a: &opentelemetry::KeyValue| a.value.to_string()).collect();
                counts.insert(format!("{} {}", metric.name(), labels.join(" ")).trim_end().to_owned(), count);
            };
            match metric.data() {
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                    .data_points()
                    .for_each(|point| note(point.attributes().cloned().collect(), point.count() as i64)),
                AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                    sum.data_points().for_each(|point| note(point.attributes().cloned().collect(), point.value()));
                }
                AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
                    .data_points()
                    .for_each(|point| note(point.attributes().cloned().collect(), point.value() as i64)),
                other => panic!("{other:?}"),
            }
        }
        *self.counts.lock().unwrap() = counts;
        (self.on_export)()
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn kept(on_export: fn() -> OTelSdkResult) -> (OtelMetricsExporter<Kept>, Counts) {
    let counts = Counts::default();
    let inside = Arc::clone(&counts);
    let exporter = OtelMetricsExporter::new(move || Ok::<_, io::Error>(Kept { counts: inside, on_export }));
    (exporter.unwrap().named("kept"), counts)
}

fn span() -> SpanContext {
    SpanContext::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap()
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

#[test]
fn every_exporter_gets_what_instrumentations_and_the_application_measure() {
    let ((one, first), (other, second)) = (kept(|| Ok(())), kept(|| Ok(())));
    let pipeline = MetricsPipeline::builder().exporter(one).exporter(other).build().unwrap();
    let (duration, again) = (pipeline.meter().histogram(&DURATION), pipeline.meter().histogram(&DURATION));
    let audit = [(Key::new("job.name"), Value::Str("audit"))];
    duration.record(1.0, &audit, span());
    again.record(2.0, &audit, span());
    duration.record(1.0, &[], span());
    let active = pipeline.meter().up_down_counter(&ACTIVE);
    active.add(3, &audit);
    active.add(-1, &audit);
    pipeline.provider().meter("own").u64_counter("own.count").build().add(7, &[]);
    pipeline.flush(DEADLINE).wait().unwrap();
    let wanted = [("job.active audit", 2), ("job.duration", 1), ("job.duration audit", 2), ("own.count", 7)];
    let wanted: BTreeMap<_, _> = wanted.map(|(name, count)| (name.to_owned(), count)).into();
    assert_eq!(*first.lock().unwrap(), wanted);
    assert_eq!(*second.lock().unwrap(), wanted);
    assert_eq!((pipeline.stats().collections, pipeline.stats().exported), (1, 1));
}

#[test]
fn one_bad_exporter_is_named_and_does_not_harm_the_others() {
    fn panics() -> OTelSdkResult {
        panic!("scripted panic")
    }
    fn refuses() -> OTelSdkResult {
        Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure("no room".to_owned()))
    }
    for (bad, cause, panicked) in [(panics as fn() -> _, "it panicked", 5), (refuses, "no room", 0)] {
        let ((good, counts), (bad, _)) = (kept(|| Ok(())), kept(bad));
        let pipeline = MetricsPipeline::builder().exporter(bad.named("bad")).exporter(good).build().unwrap();
        let active = pipeline.meter().up_down_counter(&ACTIVE);
        for round in 1..=5 {
            active.add(1, &[]);
            let error = chain(&pipeline.flush(DEADLINE).wait().unwrap_err());
            assert!(error.contains("bad failed: ") && error.contains(cause), "{error}");
            assert_eq!(counts.lock().unwrap()["job.active"], round, "it is never put aside");
        }
        let stats = pipeline.stats();
        assert_eq!((stats.collections, stats.failed, stats.panics), (5, 5, panicked));
    }
}

/// A route or a method that a client makes up costs no memory in the end.
#[test]
fn a_flood_of_series_is_bounded() {
    let (exporter, counts) = kept(|| Ok(()));
    let pipeline = MetricsPipeline::builder().exporter(exporter).build().unwrap();
    let duration = pipeline.meter().histogram(&DURATION);
    let active = pipeline.meter().up_down_counter(&ACTIVE);
    let known = [(Key::new("http.route"), Value::Str("/known"))];
    duration.record(1.0, &known, span());
    for number in 0..50_000 {
        let route = format!("/{number}");
        let flood = [(Key::new("http.route"), Value::Str(&route))];
        active.add(1, &flood);
        duration.record(1.0, &flood, span());
        active.add(-1, &flood);
    }
    duration.record(1.0, &known, span());
    pipeline.flush(DEADLINE).wait().unwrap();
    let counts = counts.lock().unwrap();
    let of =
        |name: &'static str| counts.iter().filter(move |(series, _)| series.starts_with(name)).map(|(_, count)| *count);
    assert_eq!((of("job.duration").count(), of("job.active").count()), (2001, 2001), "one is what exceeds");
    assert_eq!((of("job.duration").sum::<i64>(), counts["job.duration /known"]), (50_002, 2), "nothing is lost");
    assert!(of("job.active").all(|active| active == 0), "what came in with a series went out with it");
}

#[test]
fn what_cannot_be_built_is_an_error() {
    let refused: BuildError = OtelMetricsExporter::<Kept>::new(|| Err(io::Error::other("no route"))).unwrap_err();
    assert_eq!(chain(&refused), "the exporter could not be built: no route");
    let zero = MetricsPipeline::builder().console().interval(Duration::ZERO).build().unwrap_err();
    assert!(chain(&zero).contains("must not be zero"), "{}", chain(&zero));
}

#[test]
fn the_last_handle_exports_what_was_measured() {
    let (exporter, counts) = kept(|| Ok(()));
    let pipeline = MetricsPipeline::builder().exporter(exporter).build().unwrap();
    let active = pipeline.meter().up_down_counter(&ACTIVE);
    active.add(1, &[]);
    drop(pipeline);
    assert_eq!(counts.lock().unwrap()["job.active"], 1);
    active.add(1, &[]);
}
