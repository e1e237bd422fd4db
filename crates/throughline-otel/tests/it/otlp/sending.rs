//! What is sent, and what becomes of the answer.

use std::error::Error;
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use throughline_core::{Context, Resource, SpanContext, SpanEnd, SpanKind, Tracer};
use throughline_export::{Batch, ExportError, Exporter, Fanout, JsonLines, Pipeline};
use throughline_otel::{OtlpConfig, OtlpExporter};

use super::collector::Collector;
use crate::support;

fn config(base: &str, more: &[(&'static str, &'static str)]) -> OtlpConfig {
    let lookup = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(base.to_owned()),
        _ => more.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned())),
    };
    OtlpConfig::from_lookup(lookup).unwrap()
}

fn export(exporter: &mut OtlpExporter) -> Result<(), ExportError> {
    exporter.export(&Batch::new(&support::named(&["one"]), &Resource::new("orders")))
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let value = attributes.iter().find(|attribute| attribute.key == key).and_then(|found| found.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn a_collector_receives_the_spans() {
    let collector = Collector::of_one();
    let base = format!("http://{}", collector.address);
    let mut exporter = config(&base, &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s%20cret")]).exporter().unwrap();

    let remote = SpanContext::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let parent = Context::ROOT.with_span_context(remote);
    let spans = support::recorded(Tracer::builder(), |tracer| {
        let span = tracer.span("GET /orders/{id}").kind(SpanKind::Server).parent(&parent).start();
        span.set("order.id", 7);
        span.set("url.scheme", "https");
        span.end(SpanEnd::Completed);
    });
    let resource = Resource::new("orders").with("host.name", "a1");
    let tracer = Tracer::builder().build();
    let current = tracer.span("whatever the application does").start();
    current.context().scope(|| exporter.export(&Batch::new(&spans, &resource))).unwrap();

    let [request] = &collector.received()[..] else { panic!() };
    assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(request.header("content-encoding"), None);
    assert_eq!(request.header("api-key"), Some("s cret"));
    assert_eq!(request.header("user-agent"), Some(concat!("throughline/", env!("CARGO_PKG_VERSION"))));
    for traced in ["traceparent", "tracestate", "baggage"] {
        assert_eq!(request.header(traced), None, "the exporter's own call is not traced");
    }

    let sent = request.decode();
    let [of_service] = &sent.resource_spans[..] else { panic!("{sent:#?}") };
    let attributes = &of_service.resource.as_ref().unwrap().attributes;
    assert_eq!((text(attributes, "service.name"), text(attributes, "host.name")), ("orders", "a1"));
    let [of_scope] = &of_service.scope_spans[..] else { panic!("{sent:#?}") };
    assert_eq!(of_scope.scope.as_ref().unwrap().name, "throughline");
    let [span] = &of_scope.spans[..] else { panic!("{sent:#?}") };
    assert_eq!(span.name, "GET /orders/{id}");
    assert_eq!(span.trace_id, remote.trace_id().to_bytes());
    assert_eq!(span.parent_span_id, remote.span_id().to_bytes());
    assert_eq!(span.kind, 2, "SPAN_KIND_SERVER");
    assert_eq!(span.flags, 0x301, "sampled; the parent is known to be remote");
    assert_eq!(text(&span.attributes, "url.scheme"), "https");
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano && span.start_time_unix_nano > 0);
}

#[test]
fn a_batch_is_compressed_when_asked() {
    let collector = Collector::of_one();
    let base = format!("http://{}", collector.address);
    let mut exporter = config(&base, &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]).exporter().unwrap();
    export(&mut exporter).unwrap();
    let mut requests = collector.received();
    assert_eq!(requests[0].header("content-encoding"), Some("gzip"));
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&*requests[0].body).read_to_end(&mut body).unwrap();
    requests[0].body = body;
    assert_eq!(requests[0].decode().resource_spans[0].scope_spans[0].spans[0].name, "one");
}

#[test]
fn what_may_pass_is_tried_again() {
    let collector = Collector::answering(vec![("503 Service Unavailable", Vec::new()), ("200 OK", Vec::new())]);
    let mut exporter = config(&format!("http://{}", collector.address), &[]).exporter().unwrap();
    export(&mut exporter).unwrap();
    let [first, second] = &collector.received()[..] else { panic!() };
    assert_eq!(first.body, second.body);
}

#[test]
fn what_will_not_pass_is_an_error_at_once() {
    let collector = Collector::answering(vec![("401 Unauthorized", b"secret".to_vec())]);
    let mut exporter = config(&format!("http://{}", collector.address), &[]).exporter().unwrap();
    let error = chain(&export(&mut exporter).unwrap_err());
    assert!(error.contains("401") && !error.contains("secret"), "{error}");
    assert_eq!(collector.received().len(), 1);
}

#[test]
fn refused_spans_of_a_batch_that_was_taken_are_no_error() {
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "too old".to_owned() };
    let body = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let collector = Collector::answering(vec![("200 OK", body)]);
    let mut exporter = config(&format!("http://{}", collector.address), &[]).exporter().unwrap();
    export(&mut exporter).unwrap();
}

/// Whoever reads the error wants to know where nobody was, and nobody is to know the key in the URL.
#[test]
fn an_error_names_the_host_and_the_reason_and_no_secret() {
    // A port that only a superuser could open.
    let config = OtlpConfig::default().endpoint("http://127.0.0.1:1/secret/path?key=secret").unwrap();
    let exporter = config.timeout(Duration::from_secs(1)).exporter().unwrap();
    let pipeline = Pipeline::builder(Fanout::new().and(JsonLines::new(Vec::new())).and(exporter)).build().unwrap();
    let tracer = Tracer::builder().sink(pipeline.sink()).build();
    tracer.span("one").start().end(SpanEnd::Completed);
    let error = chain(&pipeline.shutdown(Duration::from_secs(30)).wait().unwrap_err());
    assert!(error.starts_with("an exporter failed on 1 span: OTLP to 127.0.0.1:1 failed: "), "{error}");
    assert!(error.contains("onnection refused") && !error.contains("secret"), "{error}");

    let collector = Collector::answering(vec![("401 Unauthorized", Vec::new())]);
    let mut exporter = self::config(&format!("http://{}", collector.address), &[]).exporter().unwrap();
    assert_eq!(exporter.name(), format!("OTLP to {}", collector.address));
    let error = chain(&export(&mut exporter).unwrap_err());
    assert_eq!(error, "an exporter failed: the collector answered 401 Unauthorized");
}

#[test]
fn a_collector_that_does_not_answer_costs_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let mut exporter = config(&base, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "10")]).exporter().unwrap();
    assert!(export(&mut exporter).is_err());
}

#[test]
fn an_exporter_is_built_and_dropped_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let exporter = config("http://127.0.0.1:1", &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")]).exporter();
        assert!(!format!("{exporter:?}").contains("secret"));
    });
}

#[test]
fn what_is_set_wins_over_the_process_variables() {
    const INSIDE: &str = "THROUGHLINE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        // Variables are set for a process of their own, not for the tests beside this one.
        let name = concat!(module_path!(), "::what_is_set_wins_over_the_process_variables");
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name.split_once("::").unwrap().1, "--exact"])
            .env(INSIDE, "1")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1:1")
            .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://192.0.2.1:1")
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            .env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=theirs,stray=theirs,content-type=theirs")
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
            .status()
            .unwrap();
        return assert!(status.success());
    }
    assert_eq!(OtlpConfig::from_env().unwrap_err().variable(), "OTEL_EXPORTER_OTLP_PROTOCOL");
    let collector = Collector::of_one();
    let url = format!("http://{}/verbatim?tenant=7", collector.address);
    let config = OtlpConfig::default().endpoint(&url).unwrap().header("api-key", "ours").unwrap();
    export(&mut config.timeout(Duration::from_secs(60)).exporter().unwrap()).unwrap();
    let [request] = &collector.received()[..] else { panic!() };
    assert_eq!(request.line, "POST /verbatim?tenant=7 HTTP/1.1");
    assert_eq!(request.header("api-key"), Some("ours"));
    assert_eq!(request.header("stray"), None);
    assert_eq!(request.decode().resource_spans.len(), 1);
}
