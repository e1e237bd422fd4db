//! Requests without a recorded span: unsampled, skipped, switched off, suppressed. The context flows all the same.

use http::{Request, Response};
use throughline_core::{AlwaysOff, Context, SpanContext, SpanEnd, Tracer, TracerBuilder};
use throughline_testing::{
    Answer, BodyError, ContextLog, EndStream, Point, ScriptedBody, assert_trace, tracer, tracer_with,
};
use throughline_tower::{EndAt, HttpClientLayer, HttpServerLayer};
use tower::{Service, ServiceExt};

use crate::rig::{P, SAMPLED, Scripted, T, UNSAMPLED, drain, exchange, get, header, one, panics, ready, remote};

/// What a handler saw as current, and how its call to another service arrived there.
struct Seen {
    handler: Option<SpanContext>,
    outgoing: Request<()>,
}

fn through(server: &HttpServerLayer, client: &HttpClientLayer, request: Request<()>) -> Seen {
    let outer = Scripted::new().respond(Response::new(ScriptedBody::new()));
    let mut handler = None;
    let mut calls = client.layer(outer.clone());
    let service = tower::service_fn(|_: Request<()>| {
        handler = Context::current_span_context();
        calls.call(get("http://inventory/stock"))
    });
    drop(ready(server.layer(service).oneshot(request)).unwrap());
    Seen { handler, outgoing: outer.take_requests().remove(0) }
}

fn from(traceparent: &str) -> Request<()> {
    let mut request = get("/");
    request.headers_mut().insert("traceparent", traceparent.parse().unwrap());
    request.headers_mut().insert("tracestate", "vendor=1".parse().unwrap());
    request.headers_mut().insert("baggage", "tenant=7".parse().unwrap());
    request
}

#[track_caller]
fn sent(request: &Request<()>) -> SpanContext {
    remote(&header(request, "traceparent").expect("ids are sent"))
}

#[test]
fn unsampled_requests_have_their_own_ids_and_are_not_recorded() {
    for (set_up, request) in [
        ((|tracer| tracer) as fn(TracerBuilder) -> _, from(UNSAMPLED)),
        (|tracer| tracer.sampler(AlwaysOff), from(SAMPLED)),
    ] {
        let (tracer, spans) = tracer_with(set_up);
        let client = HttpClientLayer::new(&tracer).baggage_to(["inventory"]).unwrap();
        let seen = through(&HttpServerLayer::new(&tracer), &client, request);
        let (server, client) = (seen.handler.expect("a span that is not recorded is one"), sent(&seen.outgoing));
        assert_eq!((server.trace_id().to_string(), client.trace_id().to_string()), (T.into(), T.into()));
        assert_ne!(server.span_id().to_string(), P, "its own");
        assert_ne!(client.span_id(), server.span_id(), "the client's own");
        assert!(!server.is_sampled() && !client.is_sampled());
        assert_eq!(header(&seen.outgoing, "tracestate").as_deref(), Some("vendor=1"));
        assert_eq!(header(&seen.outgoing, "baggage").as_deref(), Some("tenant=7"));
        assert!(spans.is_empty());
        assert_eq!(tracer.stats().abandoned, 0);
    }
}

#[test]
fn an_unsampled_body_has_its_context_only_if_its_length_is_unknown() {
    let (tracer, spans) = tracer_with(|tracer| tracer.sampler(AlwaysOff));
    let streamed = || ScriptedBody::new().data("a").data("b").end_stream(EndStream::Never);
    for (why, body, attached) in
        [("of unknown length", streamed(), true), ("of known length", streamed().exact_size(), false)]
    {
        let (head, log) = (ContextLog::new(), ContextLog::new());
        let inner = Scripted::new().respond(Response::new(body.observed_by(&log))).observed_by(&head);
        let response: Result<_, BodyError> = ready(HttpServerLayer::new(&tracer).layer(inner).call(from(SAMPLED)));
        let mut response = response.unwrap();
        assert_eq!(drain(response.body_mut()), Ok(2), "{why}");
        drop(response);
        let server = head.entries()[0].span;
        assert!(server.is_some_and(|span| !span.is_sampled()));
        head.assert_only(server);
        assert_eq!(log.entries()[0].span, server.filter(|_| attached), "{why}");
        log.assert_only(server.filter(|_| attached));
    }
    assert!(spans.is_empty());
}

#[test]
fn unsampled_requests_may_be_dropped_panic_and_fail() {
    let (tracer, spans) = tracer_with(|tracer| tracer.sampler(AlwaysOff));
    let server = HttpServerLayer::new(&tracer);
    drop(server.layer(Scripted::<ScriptedBody>::new().answer(Answer::never())).call(get("/")));
    panics(|| ready(server.layer(Scripted::<ScriptedBody>::new().answer(Answer::panic())).call(get("/"))));
    panics(|| server.layer(Scripted::<ScriptedBody>::new().answer(Answer::panic_in_call())).call(get("/")));
    let failing = Scripted::<ScriptedBody>::new().fail(BodyError("x"));
    assert_eq!(ready(server.layer(failing).call(get("/"))).err(), Some(BodyError("x")));
    let broken = Response::new(ScriptedBody::new().data("a").error(BodyError("x")));
    let mut response = exchange(&server, get("/"), broken);
    assert!(drain(response.body_mut()).is_err());
    assert!(spans.is_empty());
    assert_eq!(tracer.stats().abandoned, 0);
}

#[test]
fn a_skipped_request_has_no_span_and_its_context_flows() {
    let (tracer, spans) = tracer();
    let server = HttpServerLayer::new(&tracer).skip(|request| request.path() == "/");
    let client = HttpClientLayer::new(&tracer).baggage_to(["inventory"]).unwrap();
    let seen = through(&server, &client, from(SAMPLED));
    assert_eq!(seen.handler, Some(remote(SAMPLED)), "the remote parent itself is current");
    let call = one(&spans);
    assert_eq!((call.name.as_str(), call.parent_span_id), ("GET", Some(remote(SAMPLED).span_id())));
    assert!(call.parent_is_remote);
    assert_eq!(sent(&seen.outgoing).span_id(), call.span_context.span_id());
    assert_eq!(header(&seen.outgoing, "tracestate").as_deref(), Some("vendor=1"));
    assert_eq!(header(&seen.outgoing, "baggage").as_deref(), Some("tenant=7"));
    let mut other = from(SAMPLED);
    *other.uri_mut() = "/other".parse().unwrap();
    through(&server, &client, other);
    assert_trace!(spans, server "GET" { client "GET" });
}

#[test]
fn a_skipped_requests_context_is_current_wherever_the_handler_runs() {
    let (tracer, _) = tracer();
    let server = HttpServerLayer::new(&tracer).skip(|_| true);
    let log = ContextLog::new();
    let body = ScriptedBody::new().data("a").pending().data("b").observed_by(&log);
    let inner = Scripted::new().answer(Answer::response(Response::new(body)).pending(1)).observed_by(&log);
    let response: Result<_, BodyError> = ready(server.layer(inner).call(from(SAMPLED)));
    drain(response.unwrap().body_mut()).unwrap();
    log.assert_only(remote(SAMPLED));
    assert_eq!(log.count(Point::Drop), 2);
    let log = ContextLog::new();
    let inner = Scripted::<ScriptedBody>::new().answer(Answer::never()).observed_by(&log);
    drop(server.layer(inner).call(from(SAMPLED)));
    log.assert_only(remote(SAMPLED));
}

#[test]
fn a_skipped_request_without_a_context_gets_none() {
    let (tracer, spans) = tracer();
    let server = HttpServerLayer::new(&tracer).skip(|_| true);
    let client = HttpClientLayer::new(&tracer).skip(|_| true);
    let seen = through(&server, &client, get("/"));
    assert_eq!(seen.handler, None);
    assert_eq!(header(&seen.outgoing, "traceparent"), None);
    assert!(spans.is_empty());
}

#[test]
fn a_skipped_call_still_carries_the_servers_context() {
    let (tracer, spans) = tracer();
    let client = HttpClientLayer::new(&tracer).skip(|request| request.uri().host() == Some("inventory"));
    let seen = through(&HttpServerLayer::new(&tracer), &client, from(SAMPLED));
    assert_eq!(sent(&seen.outgoing).span_id(), seen.handler.unwrap().span_id());
    assert_trace!(spans, server "GET");
}

#[test]
fn two_layers_make_one_span() {
    let (tracer, spans) = tracer();
    let outer = HttpServerLayer::new(&tracer);
    let log = ContextLog::new();
    let body = ScriptedBody::new().data("a").data("b").observed_by(&log);
    let inner = Scripted::new().respond(Response::new(body)).observed_by(&log);
    let service = outer.layer(HttpServerLayer::new(&tracer).layer(inner));
    let mut response = ready(service.oneshot(from(SAMPLED))).unwrap();
    drain(response.body_mut()).unwrap();
    drop(response);
    let span = one(&spans);
    assert_eq!(span.parent_span_id, Some(remote(SAMPLED).span_id()));
    assert_eq!(log.entries()[1].span, Some(span.span_context), "the inner layer leaves the context alone");
    assert_eq!(tracer.stats().suppressed, 1);
}

#[test]
fn two_client_layers_make_one_span() {
    let (tracer, spans) = tracer();
    let network = Scripted::new().respond(Response::new(ScriptedBody::new()));
    let service = HttpClientLayer::new(&tracer).layer(HttpClientLayer::new(&tracer).layer(network.clone()));
    drop(ready(service.oneshot(get("http://inventory/"))).unwrap());
    let span = one(&spans);
    assert_eq!(sent(&network.take_requests().remove(0)).span_id(), span.span_context.span_id());
    assert_eq!(tracer.stats().suppressed, 1);
}

#[test]
fn the_other_side_of_a_call_is_not_suppressed() {
    let (tracer, spans) = tracer();
    let inner = Scripted::new().respond(Response::new(ScriptedBody::new()));
    let here = HttpClientLayer::new(&tracer).layer(HttpServerLayer::new(&tracer).layer(
        // In the same process and task: what the caller was doing says nothing about the one who answers.
        HttpClientLayer::new(&tracer).layer(inner),
    ));
    drop(ready(here.oneshot(get("http://inventory/"))).unwrap());
    assert_trace!(spans, client "GET" { server "GET" { client "GET" } });
}

#[test]
fn switched_off_the_context_flows_from_incoming_to_outgoing_headers() {
    let (tracer, spans) = tracer_with(|tracer| tracer.enabled(false));
    let client = HttpClientLayer::new(&tracer).baggage_to(["inventory"]).unwrap().end_at(EndAt::Body);
    for parent in [SAMPLED, UNSAMPLED] {
        let seen = through(&HttpServerLayer::new(&tracer), &client, from(parent));
        assert_eq!(header(&seen.outgoing, "traceparent").as_deref(), Some(parent), "unchanged");
        assert_eq!(header(&seen.outgoing, "tracestate").as_deref(), Some("vendor=1"));
        assert_eq!(header(&seen.outgoing, "baggage").as_deref(), Some("tenant=7"));
    }
    let seen = through(&HttpServerLayer::new(&tracer), &client, get("/"));
    assert_eq!((seen.handler, header(&seen.outgoing, "traceparent")), (None, None));
    assert!(spans.is_empty());
}

#[test]
fn under_suppression_nothing_is_injected() {
    let (tracer, spans) = tracer();
    let parent = tracer.span("export").start();
    let quiet = parent.context().with_instrumentation_suppressed();
    let network = Scripted::new().respond(Response::new(ScriptedBody::new()));
    let mut client = HttpClientLayer::new(&tracer).baggage_to(["inventory"]).unwrap().layer(network.clone());
    quiet.scope(|| drop(ready(client.call(get("http://inventory/"))).unwrap()));
    assert!(network.take_requests().remove(0).headers().is_empty());
    let log = ContextLog::new();
    let inner = Scripted::new().respond(Response::new(ScriptedBody::new())).observed_by(&log);
    let mut server = HttpServerLayer::new(&tracer).layer(inner);
    quiet.scope(|| drop(ready(server.call(from(SAMPLED))).unwrap()));
    log.assert_only(parent.span_context());
    parent.end(SpanEnd::Completed);
    assert_trace!(spans, internal "export");
}

/// A sink that is down is no reason to lose a context.
#[test]
fn without_a_sink_the_context_flows() {
    let tracer = Tracer::builder().build();
    let client = HttpClientLayer::new(&tracer);
    let seen = through(&HttpServerLayer::new(&tracer), &client, from(SAMPLED));
    assert_eq!(sent(&seen.outgoing).trace_id().to_string(), T);
    assert!(Context::current().is_root());
}

#[test]
fn a_server_that_is_called_in_the_same_process_has_a_span_of_its_own() {
    let (tracer, spans) = tracer();
    let inner = HttpServerLayer::new(&tracer).layer(Scripted::new().respond(Response::new(ScriptedBody::new())));
    let mut calls = HttpClientLayer::new(&tracer).layer(inner);
    let outer = tower::service_fn(|_: Request<()>| calls.call(get("http://inventory/")));
    drop(ready(HttpServerLayer::new(&tracer).layer(outer).oneshot(get("/"))).unwrap());
    assert_trace!(spans, server "GET" { client "GET" { server "GET" } });
}
