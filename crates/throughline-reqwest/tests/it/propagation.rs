//! What the other side is told.

use std::future::Future;

use throughline_core::{AlwaysOff, Context, ContextExt as _, Tracer};
use throughline_testing::{assert_trace, tracer, tracer_with};
use throughline_tower::HttpClientLayer;

use crate::rig::{Client, SAMPLED, Server, UNSAMPLED, client, header, one, remote, traceparent};

fn traced(tracer: &Tracer) -> Client {
    client(HttpClientLayer::new(tracer))
}

async fn below<F: Future>(context: &Context, asked: F) -> F::Output {
    asked.with_context(context.clone()).await
}

#[tokio::test]
async fn the_span_is_told_in_place_of_what_the_request_said() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let asked = async {
        let stale = traced(&tracer).get(server.url("/")).header("traceparent", UNSAMPLED).header("tracestate", "a=b");
        stale.header("x-tenant", "shop").send().await
    };
    below(&Context::ROOT.with_span_context(remote(SAMPLED)), asked).await.unwrap();
    let (span, seen) = (one(&spans), server.one());
    assert_eq!(span.parent_span_id, Some(remote(SAMPLED).span_id()));
    assert_eq!(header(&seen, "traceparent"), Some(traceparent(&span)));
    assert_eq!(header(&seen, "tracestate"), None);
    assert_eq!(header(&seen, "x-tenant").as_deref(), Some("shop"), "others are left alone");
}

#[tokio::test]
async fn unsampled_parents_are_propagated_by_a_span_of_their_own() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let asked = async { traced(&tracer).get(server.url("/")).send().await };
    below(&Context::ROOT.with_span_context(remote(UNSAMPLED)), asked).await.unwrap();
    assert!(spans.is_empty());
    let told = remote(&header(&server.one(), "traceparent").unwrap());
    assert_eq!((told.trace_id(), told.is_sampled()), (remote(UNSAMPLED).trace_id(), false));
    assert_ne!(told.span_id(), remote(UNSAMPLED).span_id());
}

#[tokio::test]
async fn nothing_recorded_is_nothing_lost() {
    let (tracer, spans) = tracer_with(|builder| builder.sampler(AlwaysOff));
    let server = Server::start().await;
    traced(&tracer).get(server.url("/")).send().await.unwrap();
    assert!(spans.is_empty());
    assert!(!remote(&header(&server.one(), "traceparent").unwrap()).is_sampled());
}

#[tokio::test]
async fn skipped_requests_have_no_span_and_tell_their_parent() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let client = client(HttpClientLayer::new(&tracer).skip(|request| request.path() == "/healthz"));
    let parent = Context::ROOT.with_span_context(remote(SAMPLED));
    below(&parent, async { client.get(server.url("/healthz")).send().await }).await.unwrap();
    assert!(spans.is_empty());
    assert_eq!(header(&server.one(), "traceparent").as_deref(), Some(SAMPLED));
}

#[tokio::test]
async fn suppressed_instrumentation_leaves_requests_alone() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let quiet = Context::ROOT.with_span_context(remote(SAMPLED)).with_instrumentation_suppressed();
    below(&quiet, async { traced(&tracer).get(server.url("/")).send().await }).await.unwrap();
    assert!(spans.is_empty());
    assert_eq!(header(&server.one(), "traceparent"), None);
}

/// The client of a client is one span: the outer one's, under the same key.
#[tokio::test]
async fn a_client_inside_a_client_is_quiet() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let layer = throughline_reqwest::HttpClientLayer::new(&tracer);
    let mut twice = layer.layer(layer.layer(reqwest::Client::new()));
    let request = reqwest::Request::new(http::Method::GET, server.url("/").parse().unwrap());
    tower::Service::call(&mut twice, request).await.unwrap();
    let span = one(&spans);
    assert_eq!(header(&server.one(), "traceparent"), Some(traceparent(&span)));
}

#[tokio::test]
async fn a_hundred_requests_keep_their_parents_apart() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let client = traced(&tracer);
    let asked = (0..100).map(|number| {
        let parent = tracer.span(&format!("job {number}")).start();
        let (client, url) = (client.clone(), server.url(&format!("/job/{number}")));
        let context = parent.context();
        tokio::spawn(
            async move {
                client.get(url).send().await.unwrap();
                parent.end(throughline_core::SpanEnd::Completed);
            }
            .with_context(context),
        )
    });
    futures_util::future::try_join_all(asked).await.unwrap();
    let ended = spans.take();
    assert_eq!(ended.len(), 200);
    for request in server.take() {
        let told = remote(&header(&request, "traceparent").unwrap());
        let asked = ended.iter().find(|span| span.span_context.span_id() == told.span_id()).unwrap();
        let parent = ended.iter().find(|span| Some(span.span_context.span_id()) == asked.parent_span_id).unwrap();
        assert_eq!(told.trace_id(), parent.span_context.trace_id());
        assert_eq!(request.uri.path().replace("/job/", "job "), parent.name);
    }
}

#[tokio::test]
async fn the_parent_is_whoever_sends_not_whoever_polls() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let parent = tracer.span("caller").start();
    let sent = parent.context().scope(|| traced(&tracer).get(server.url("/")).send());
    sent.await.unwrap();
    parent.end(throughline_core::SpanEnd::Completed);
    assert_trace!(spans, internal "caller" { client "GET" });
}
