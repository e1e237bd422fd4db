//! What the service records, and what it passes on.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use throughline::{AlwaysOff, SpanData, SpanKind, Telemetry};
use throughline_testing::assert_trace;

use crate::harness::{Harness, P, SAMPLED, T, UNSAMPLED, traceparent, tracestate};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn one_server_span_a_request_and_one_client_span_a_call() {
    let (telemetry, spans) = Telemetry::test();
    let harness = Harness::start(&telemetry).await;
    let calls = harness.calls(&[SAMPLED.to_owned()], 2).await;

    let recorded = spans.wait_for(3, SOON).await.unwrap();
    assert_trace!(recorded,
        server "POST /test" ["http.route" = "/test", "http.response.status_code" = 200, end = Completed, ordered] {
            client "POST" ["server.address" = "127.0.0.1", "http.response.status_code" = 200, status = Unset]
            client "POST"
        }
    );
    let server = find(&recorded, SpanKind::Server);
    assert_eq!(server.parent_span_id.unwrap().to_string(), P);
    assert!(server.parent_is_remote && recorded.iter().all(|span| span.span_context.trace_id().to_string() == T));

    // The id on the wire is the CLIENT span's, in the order of the calls.
    let clients = recorded.iter().filter(|span| span.kind == SpanKind::Client);
    let clients: Vec<_> = clients.map(|span| span.span_context.span_id().to_string()).collect();
    let wire: Vec<_> = calls.iter().map(|call| traceparent(call).unwrap().parent_id).collect();
    assert_eq!(wire, clients);
}

#[tokio::test]
async fn a_service_that_calls_itself_is_one_trace() {
    let (telemetry, spans) = Telemetry::test();
    let harness = Harness::start(&telemetry).await;
    let calls = json!([harness.service(&json!([harness.service(&Value::Null)])), harness.service(&json!([]))]);
    let results = harness.post(&[], &calls.to_string()).await;
    assert_eq!(results, json!([{ "status": 200 }, { "status": 200 }]));
    let recorded = spans.wait_for(7, SOON).await.unwrap();
    assert_trace!(recorded,
        trace {
            server "POST /test" [ordered] {
                client "POST" { server "POST /test" { client "POST" { server "POST /test" } } }
                client "POST" { server "POST /test" }
            }
        }
    );
}

#[tokio::test]
async fn nothing_to_do_is_a_request_like_others() {
    let (telemetry, spans) = Telemetry::test();
    let harness = Harness::start(&telemetry).await;
    for body in ["null", "[]", " [ ] "] {
        assert_eq!(harness.post(&[], body).await, json!([]), "{body:?}");
    }
    let recorded = spans.wait_for(3, SOON).await.unwrap();
    assert_trace!(recorded, server "POST /test" server "POST /test" server "POST /test");
}

#[tokio::test]
async fn a_call_that_fails_fails_neither_the_request_nor_the_next_call() {
    let (telemetry, spans) = Telemetry::test();
    let harness = Harness::start(&telemetry).await;
    // Nobody listens where somebody listened a moment ago.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let unknown = json!({ "url": harness.callback("127.0.0.1")["url"].as_str().unwrap().replace("/callback", "/no") });
    let calls = json!([{ "url": format!("http://{gone}/") }, unknown, { "url": "" }, harness.callback("127.0.0.1")]);
    let results = harness.post(&[SAMPLED.to_owned()], &calls.to_string()).await;
    let results = results.as_array().unwrap();
    assert!(results[0]["error"].as_str().unwrap().contains("onnect"), "{results:?}");
    assert_eq!(results[1], json!({ "status": 404 }));
    assert_eq!(results[2], json!({ "error": "empty string" }));
    assert_eq!(results[3], json!({ "status": 200 }));
    assert_eq!(harness.take_calls().len(), 1);

    let recorded = spans.wait_for(4, SOON).await.unwrap();
    assert_trace!(recorded,
        server "POST /test" ["http.response.status_code" = 200, !"error.type", status = Unset, ordered] {
            client "POST" ["error.type", !"http.response.status_code", end = Failed, status = Error]
            client "POST" ["http.response.status_code" = 404, "error.type" = "404", status = Error]
            client "POST" ["http.response.status_code" = 200, status = Unset]
        }
    );
}

#[tokio::test]
async fn a_body_that_is_no_list_of_calls_is_refused() {
    let (telemetry, spans) = Telemetry::test();
    let harness = Harness::start(&telemetry).await;
    for body in ["", "{", "1", r#"[{"arguments": []}]"#, r#"[{"url": 7}]"#, "[] []"] {
        let (status, answer) = harness.exchange(&[], body).await;
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{body:?}: {answer}");
    }
    spans.wait_for(6, SOON).await.unwrap();
}

#[tokio::test]
async fn an_unsampled_trace_goes_on_unsampled_and_under_ids_of_its_own() {
    let (telemetry, spans) = Telemetry::test();
    let harness = Harness::start(&telemetry).await;
    let headers = [UNSAMPLED.to_owned(), "tracestate: foo=1".to_owned()];
    let calls = harness.calls(&headers, 3).await;
    let mut parents = HashSet::from([P.to_owned()]);
    for call in &calls {
        let parent = traceparent(call).unwrap();
        assert!(parent.trace_id == T && parent.flags == "00", "{parent:?}");
        assert_eq!(tracestate(call).unwrap(), ["foo=1"]);
        assert!(parents.insert(parent.parent_id), "two calls have one id");
    }
    assert!(spans.is_empty(), "{}", spans.tree());
}

#[tokio::test]
async fn baggage_goes_to_loopback_and_to_no_other_host() {
    for sampled in [true, false] {
        let builder = Telemetry::builder();
        let (telemetry, _) = if sampled { builder.test() } else { builder.sampler(AlwaysOff).test() };
        let harness = Harness::start(&telemetry).await;
        let lines = ["baggage: userId=alice , serverNode=DF%2028;p;q=1", "Baggage: region=eu"].map(str::to_owned);
        let mut to = vec![harness.callback("127.0.0.1"), harness.callback("localhost")];
        // All of 127.0.0.0/8 leads to this machine, here alone.
        if cfg!(target_os = "linux") {
            to.push(harness.callback("127.0.0.2"));
        }
        let results = harness.post(&lines, &Value::Array(to.clone()).to_string()).await;
        assert_eq!(results, Value::Array(vec![json!({ "status": 200 }); to.len()]), "{sampled}");

        let calls = harness.take_calls();
        for call in &calls[..2] {
            let [value] = call.get_all("baggage").iter().collect::<Vec<_>>()[..] else { panic!("{call:?}") };
            let mut members: Vec<_> = value.to_str().unwrap().split(',').map(str::trim).collect();
            members.sort_unstable();
            assert_eq!(members, ["region=eu", "serverNode=DF%2028;p;q=1", "userId=alice"], "{sampled}");
        }
        for call in &calls[2..] {
            assert_eq!(call.get("baggage"), None, "{sampled}");
            traceparent(call).unwrap();
        }
    }
}

fn find(spans: &[SpanData], kind: SpanKind) -> &SpanData {
    spans.iter().find(|span| span.kind == kind).expect("there is one")
}
