//! From the service to a collector.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::harness::{Harness, P, SAMPLED, T, serve, traceparent};

/// Half of it is for a machine that is busy; by the default of five seconds it would be too late.
const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_at_the_collector_within_seconds() {
    let (endpoint, mut requests) = collector().await;
    let lookup = move |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| endpoint.clone());
    let telemetry = trace_context::telemetry().env_from(lookup).unwrap().build().unwrap();
    let harness = Harness::start(&telemetry).await;
    let calls = harness.calls(&[SAMPLED.to_owned()], 2).await;

    let mut spans = Vec::new();
    timeout(LIMIT, async {
        while spans.len() < 3 {
            spans.extend(read(&requests.recv().await.expect("the collector runs")));
        }
    })
    .await
    .unwrap_or_else(|_| panic!("after {LIMIT:?} there are {spans:?}"));

    assert!(spans.iter().all(|span| hex(&span.trace_id) == T), "{spans:?}");
    let server = spans.iter().find(|span| span.name == "POST /test").expect("the SERVER span is among them");
    assert_eq!(hex(&server.parent_span_id), P);
    let clients = spans.iter().filter(|span| span.name == "POST");
    let mut clients: Vec<_> = clients.inspect(|span| assert_eq!(span.parent_span_id, server.span_id)).collect();
    clients.sort_by_key(|span| span.start_time_unix_nano);
    let clients: Vec<_> = clients.iter().map(|span| hex(&span.span_id)).collect();
    let wire: Vec<_> = calls.iter().map(|call| traceparent(call).unwrap().parent_id).collect();
    assert_eq!(wire, clients);
    telemetry.shutdown(LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_is_counted_and_harms_nobody() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let lookup = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(format!("http://{gone}")),
        "OTEL_EXPORTER_OTLP_TIMEOUT" => Some("100".to_owned()),
        _ => None,
    };
    let telemetry = trace_context::telemetry().env_from(lookup).unwrap().build().unwrap();
    let harness = Harness::start(&telemetry).await;
    harness.calls(&[SAMPLED.to_owned()], 2).await;
    telemetry.shutdown(Duration::from_secs(20)).await.unwrap_err();
    let stats = telemetry.stats().pipeline;
    assert_eq!((stats.exported, stats.failed), (0, 3), "{stats:?}");
    harness.calls(&[SAMPLED.to_owned()], 1).await;
}

/// A collector, and the bodies that it gets.
async fn collector() -> (String, UnboundedReceiver<Bytes>) {
    async fn traces(State(requests): State<UnboundedSender<Bytes>>, body: Bytes) {
        // Nobody waits for those of the test's end.
        _ = requests.send(body);
    }

    let (requests, received) = unbounded_channel();
    let collector = Router::new().route("/v1/traces", post(traces)).route("/v1/metrics", post(async || ()));
    let collector = collector.with_state(requests);
    (format!("http://{}", serve("127.0.0.1:0", collector).await), received)
}

fn read(body: &Bytes) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
