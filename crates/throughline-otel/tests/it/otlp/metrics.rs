//! Metrics, as a collector sees them.

use std::error::Error;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Histogram, Metric, Sum, metric};
use throughline_core::metrics::{DURATION_BUCKETS, Instrument, Meter};
use throughline_core::{Context, Key, Resource, Scope, SpanContext, Tracer, Value};
use throughline_otel::{MetricsPipeline, OtlpMetricsConfig};

use super::collector::{Collector, Received};

static SCOPE: Scope = Scope { name: "throughline-tower", version: "9.8.7" };
static DURATION: Instrument =
    Instrument::new(&SCOPE, "http.server.request.duration", "s", "Duration.").with_buckets(&DURATION_BUCKETS);
static ACTIVE: Instrument = Instrument::new(&SCOPE, "http.server.active_requests", "{request}", "Active.");
static SIZE: Instrument = Instrument::new(&SCOPE, "http.server.request.body.size", "By", "Size.");

const DEADLINE: Duration = Duration::from_secs(60);
const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;

const OK: [(Key<'static>, Value<'static>); 3] = [
    (Key::new("http.request.method"), Value::Static(&"GET")),
    (Key::new("http.response.status_code"), Value::Int(200)),
    (Key::new("http.route"), Value::Bytes(b"/users/{id}")),
];

fn config(base: &str, more: &[(&'static str, &'static str)]) -> OtlpMetricsConfig {
    let lookup = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(base.to_owned()),
        _ => more.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned())),
    };
    OtlpMetricsConfig::from_lookup(lookup).unwrap()
}

/// A pipeline that collects when asked to.
fn pipeline(config: OtlpMetricsConfig) -> MetricsPipeline {
    let builder = MetricsPipeline::builder().exporter(config.exporter().unwrap()).resource(Resource::new("orders"));
    builder.interval(Duration::from_secs(3600)).build().unwrap()
}

fn record(pipeline: &MetricsPipeline, values: &[f64]) {
    let histogram = pipeline.meter().histogram(&DURATION);
    for value in values {
        histogram.record(*value, &OK, span());
    }
}

fn span() -> SpanContext {
    SpanContext::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap()
}

fn metric(received: &Received, name: &str) -> Metric {
    let sent = received.decode_metrics();
    let metrics = sent.resource_metrics.into_iter().flat_map(|of_service| of_service.scope_metrics);
    let found = metrics.flat_map(|of_scope| of_scope.metrics).find(|metric| metric.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn histogram(received: &Received, name: &str) -> Histogram {
    match metric(received, name).data {
        Some(metric::Data::Histogram(histogram)) => histogram,
        other => panic!("{other:?}"),
    }
}

fn sum(received: &Received, name: &str) -> Sum {
    match metric(received, name).data {
        Some(metric::Data::Sum(sum)) => sum,
        other => panic!("{other:?}"),
    }
}

fn labels(attributes: &[KeyValue]) -> Vec<String> {
    let mut labels: Vec<_> = attributes
        .iter()
        .map(|attribute| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(any_value::Value::StringValue(text)) => format!("{}={text}", attribute.key),
            Some(any_value::Value::IntValue(number)) => format!("{}={number}", attribute.key),
            other => panic!("{other:?}"),
        })
        .collect();
    labels.sort_unstable();
    labels
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

#[test]
fn a_collector_receives_the_metrics() {
    let collector = Collector::of_one();
    let config = config(
        &format!("http://{}", collector.address),
        &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s%20cret"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "other=1")],
    );
    let pipeline = pipeline(config);
    record(&pipeline, &[0.004, 0.3, 20.0]);
    let meter = pipeline.meter();
    let active = meter.up_down_counter(&ACTIVE);
    for delta in [1, 1, -1] {
        active.add(delta, &OK[..1]);
    }
    meter.histogram(&SIZE).record(42.0, &[], span());
    let tracer = Tracer::builder().build();
    let current = tracer.span("whatever the application does").start();
    current.context().scope(|| pipeline.shutdown(DEADLINE).wait()).unwrap();
    assert_eq!(pipeline.stats().exported, 1);

    let [request] = &collector.received()[..] else { panic!() };
    assert_eq!(request.line, "POST /v1/metrics HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(request.header("api-key"), Some("s cret"));
    assert_eq!(request.header("other"), None);
    assert_eq!(request.header("user-agent"), Some(concat!("throughline/", env!("CARGO_PKG_VERSION"))));
    for traced in ["traceparent", "tracestate", "baggage"] {
        assert_eq!(request.header(traced), None, "the exporter's own call is not traced");
    }

    let sent = request.decode_metrics();
    let [of_service] = &sent.resource_metrics[..] else { panic!("{sent:#?}") };
    assert_eq!(labels(&of_service.resource.as_ref().unwrap().attributes), ["service.name=orders"]);
    let [of_scope] = &of_service.scope_metrics[..] else { panic!("{sent:#?}") };
    let scope = of_scope.scope.as_ref().unwrap();
    assert_eq!((&*scope.name, &*scope.version), ("throughline-tower", "9.8.7"));
    assert_eq!(of_scope.metrics.len(), 3);

    let duration = metric(request, DURATION.name);
    assert_eq!((&*duration.unit, &*duration.description), ("s", "Duration."));
    let duration = histogram(request, DURATION.name);
    assert_eq!(duration.aggregation_temporality, CUMULATIVE);
    let [point] = &duration.data_points[..] else { panic!("{duration:#?}") };
    assert_eq!(point.explicit_bounds, DURATION_BUCKETS);
    assert_eq!(point.bucket_counts, [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!((point.count, point.sum, point.min, point.max), (3, Some(20.304), Some(0.004), Some(20.0)));
    assert_eq!(
        labels(&point.attributes),
        ["http.request.method=GET", "http.response.status_code=200", "http.route=/users/{id}"]
    );
    assert!(0 < point.start_time_unix_nano && point.start_time_unix_nano <= point.time_unix_nano);
    assert!(point.exemplars.is_empty(), "as the documentation says");

    assert_eq!(metric(request, ACTIVE.name).unit, "{request}");
    let active = sum(request, ACTIVE.name);
    assert_eq!((active.aggregation_temporality, active.is_monotonic), (CUMULATIVE, false));
    let [point] = &active.data_points[..] else { panic!("{active:#?}") };
    assert_eq!(format!("{:?}", point.value), "Some(AsInt(1))");
    assert_eq!(labels(&point.attributes), ["http.request.method=GET"]);

    let size = histogram(request, SIZE.name);
    assert_eq!(size.data_points[0].explicit_bounds.len(), 15, "the default of the SDK");
}

#[test]
fn deltas_begin_anew_and_a_gauge_goes_on() {
    for (preference, of_histogram, counts) in [("cumulative", CUMULATIVE, [2, 3]), ("delta", DELTA, [2, 1])] {
        let collector = Collector::answering(vec![("200 OK", Vec::new()); 2]);
        let more = [("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)];
        let pipeline = pipeline(config(&format!("http://{}", collector.address), &more));
        let active = pipeline.meter().up_down_counter(&ACTIVE);
        for values in [&[0.1, 0.2][..], &[0.3]] {
            record(&pipeline, values);
            active.add(1, &[]);
            pipeline.flush(DEADLINE).wait().unwrap();
        }
        let received = collector.received();
        for (at, request) in received.iter().enumerate() {
            let duration = histogram(request, DURATION.name);
            assert_eq!(duration.aggregation_temporality, of_histogram, "{preference}");
            assert_eq!(duration.data_points[0].count, counts[at], "{preference}");
            let active = sum(request, ACTIVE.name);
            assert_eq!(active.aggregation_temporality, CUMULATIVE);
            assert_eq!(format!("{:?}", active.data_points[0].value), format!("Some(AsInt({}))", at + 1));
        }
        let starts = [&received[0], &received[1]].map(|r| histogram(r, DURATION.name).data_points[0].clone());
        if preference == "delta" {
            assert_eq!(starts[1].start_time_unix_nano, starts[0].time_unix_nano, "no gap and no overlap");
        } else {
            assert_eq!(starts[1].start_time_unix_nano, starts[0].start_time_unix_nano);
        }
    }
}

#[test]
fn metrics_are_exported_at_intervals() {
    let collector = Collector::answering(vec![("200 OK", Vec::new()); 3]);
    let exporter = config(&format!("http://{}", collector.address), &[]).exporter().unwrap();
    let pipeline = MetricsPipeline::builder().exporter(exporter).interval(Duration::from_millis(20)).build().unwrap();
    record(&pipeline, &[0.1]);
    // Nobody asks; the test ends when the third has come.
    let received = collector.received();
    assert!(received.iter().all(|request| histogram(request, DURATION.name).data_points[0].count == 1));
    drop(pipeline);
}

#[test]
fn nothing_measured_is_nothing_sent() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let pipeline = pipeline(config(&format!("http://{}", nobody.local_addr().unwrap()), &[]));
    let _unused = pipeline.meter().histogram(&DURATION);
    pipeline.flush(DEADLINE).wait().unwrap();
    pipeline.shutdown(DEADLINE).wait().unwrap();
    assert!(nobody.accept().is_err());
    assert_eq!(pipeline.stats(), throughline_otel::MetricsStats::default());
}

#[test]
fn a_collector_that_is_not_there_is_named_and_counted() {
    // A port that only a superuser could open.
    let config = OtlpMetricsConfig::default().endpoint("http://127.0.0.1:1/secret/path?key=secret").unwrap();
    let pipeline = pipeline(config.timeout(Duration::from_secs(1)));
    record(&pipeline, &[0.1]);
    let error = chain(&pipeline.flush(DEADLINE).wait().unwrap_err());
    assert!(error.contains(": OTLP metrics to 127.0.0.1:1 failed: "), "{error}");
    assert!(error.contains("onnection refused") && !error.contains("secret"), "{error}");
    assert!(pipeline.shutdown(DEADLINE).wait().is_err());
    let stats = pipeline.stats();
    assert_eq!((stats.collections, stats.exported, stats.failed), (2, 0, 2));
}

#[test]
fn a_failed_export_costs_no_cumulative_metric() {
    let collector = Collector::answering(vec![("401 Unauthorized", b"secret".to_vec()), ("200 OK", Vec::new())]);
    let pipeline = pipeline(config(&format!("http://{}", collector.address), &[]));
    record(&pipeline, &[0.1]);
    let error = chain(&pipeline.flush(DEADLINE).wait().unwrap_err());
    assert!(error.contains("401") && !error.contains("secret"), "{error}");
    record(&pipeline, &[0.1]);
    pipeline.shutdown(DEADLINE).wait().unwrap();
    let received = collector.received();
    assert_eq!(histogram(&received[1], DURATION.name).data_points[0].count, 2);
    assert_eq!((pipeline.stats().exported, pipeline.stats().failed), (1, 1));
}

#[test]
fn a_collector_that_hangs_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let started = Instant::now();

    let limited = pipeline(config(&base, &[("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "50")]));
    record(&limited, &[0.1]);
    let error = chain(&limited.flush(DEADLINE).wait().unwrap_err());
    assert!(error.contains("OTLP metrics to 127.0.0.1"), "{error}");

    let exporter = config(&base, &[("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "3600000")]).exporter().unwrap();
    let slow = MetricsPipeline::builder().exporter(exporter).export_timeout(Duration::from_millis(50)).build().unwrap();
    record(&slow, &[0.1]);
    let error = chain(&slow.flush(DEADLINE).wait().unwrap_err());
    assert!(error.contains("no answer within 50ms"), "{error}");

    let patient = pipeline(config(&base, &[("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "3600000")]));
    record(&patient, &[0.1]);
    patient.shutdown(Duration::from_millis(50)).wait().unwrap_err();
    assert!(started.elapsed() < DEADLINE / 2, "{:?}", started.elapsed());
}

#[test]
fn a_pipeline_lives_inside_a_runtime_of_one_thread() {
    let collector = Collector::of_one();
    let base = format!("http://{}", collector.address);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let pipeline = pipeline(config(&base, &[]));
        record(&pipeline, &[0.1]);
        pipeline.shutdown(DEADLINE).await.unwrap();
        assert!(Context::current().is_root());
    });
    assert_eq!(collector.received().len(), 1);
}
