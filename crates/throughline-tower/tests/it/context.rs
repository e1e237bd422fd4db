//! The context is current wherever the inner service runs, and nowhere else.

use http::Response;
use throughline_core::{Context, Span, SpanEnd, Tracer};
use throughline_testing::{Answer, BodyError, ContextLog, ContextProbe, EndStream, Gate, Point, ScriptedBody, tracer};
use throughline_tower::{EndAt, HttpClientLayer, HttpServerLayer};
use tokio_test::{assert_pending, assert_ready, task};
use tower::Service;

use crate::rig::{Scripted, drain, frame, get, one, ready};

fn service(log: &ContextLog, body: ScriptedBody) -> Scripted {
    Scripted::new().answer(Answer::response(Response::new(body)).pending(2)).observed_by(log)
}

#[test]
fn in_call_in_every_poll_and_in_drop() {
    let (tracer, spans) = tracer();
    let (head, body) = (ContextLog::new(), ContextLog::new());
    let frames = ScriptedBody::new().data("a").pending().data("b").end_stream(EndStream::Never).observed_by(&body);
    let response = ready(HttpServerLayer::new(&tracer).layer(service(&head, frames)).call(get("/"))).unwrap();
    assert!(Context::current().is_root());
    assert_eq!(head.points(), [Point::Call, Point::Poll, Point::Poll, Point::Poll, Point::Drop]);
    let mut response = response;
    drain(response.body_mut()).unwrap();
    drop(response);
    assert!(Context::current().is_root());
    assert_eq!(body.points(), [Point::Poll, Point::Poll, Point::Poll, Point::Poll, Point::Drop]);
    let span = one(&spans).span_context;
    head.assert_only(span);
    body.assert_only(span);
}

#[test]
fn in_the_drop_of_what_was_cancelled() {
    let (tracer, spans) = tracer();
    for polls in [0, 2] {
        let log = ContextLog::new();
        let service = Scripted::<ScriptedBody>::new().answer(Answer::never()).observed_by(&log);
        let mut future = task::spawn(HttpServerLayer::new(&tracer).layer(service).call(get("/")));
        for _ in 0..polls {
            assert_pending!(future.poll());
            assert!(Context::current().is_root());
        }
        drop(future);
        assert_eq!(log.points().last(), Some(&Point::Drop));
        log.assert_only(one(&spans).span_context);
    }
}

#[test]
fn in_the_drop_of_a_body_that_was_cancelled() {
    let (tracer, spans) = tracer();
    let log = ContextLog::new();
    let body = ScriptedBody::new().data("a").wait(&Gate::new()).observed_by(&log);
    let mut response =
        ready(HttpServerLayer::new(&tracer).layer(service(&ContextLog::new(), body)).call(get("/"))).unwrap();
    drop(frame(response.body_mut()));
    drop(response);
    assert_eq!(log.points(), [Point::Poll, Point::Drop]);
    log.assert_only(one(&spans).span_context);
}

/// A destructor that runs because the body has ended still belongs to the request.
#[test]
fn in_the_drop_of_a_body_that_has_ended() {
    let (tracer, spans) = tracer();
    let quiet = || ScriptedBody::new().data("a").end_stream(EndStream::Never);
    for (why, body) in [
        ("end of stream", quiet()),
        ("its last frame", ScriptedBody::new().data("a")),
        ("trailers", ScriptedBody::new().data("a").trailers([("x", "1")])),
    ] {
        let log = ContextLog::new();
        let body = body.observed_by(&log);
        let mut response =
            ready(HttpServerLayer::new(&tracer).layer(service(&ContextLog::new(), body)).call(get("/"))).unwrap();
        drain(response.body_mut()).unwrap();
        drop(response);
        assert_eq!(log.count(Point::Drop), 1, "{why}");
        log.assert_only(one(&spans).span_context);
    }
}

#[test]
fn of_a_client_in_its_future_and_to_the_end_that_was_asked_for() {
    let (tracer, spans) = tracer();
    for end in [EndAt::Head, EndAt::Body] {
        let (head, body) = (ContextLog::new(), ContextLog::new());
        let frames = ScriptedBody::new().data("a").data("b").observed_by(&body);
        let layer = HttpClientLayer::new(&tracer).end_at(end);
        let mut response = ready(layer.layer(service(&head, frames)).call(get("http://inventory/"))).unwrap();
        drain(response.body_mut()).unwrap();
        drop(response);
        let span = one(&spans).span_context;
        head.assert_only(span);
        // A span that has ended is no parent for whoever reads the body later.
        body.assert_only((end == EndAt::Body).then_some(span));
    }
}

#[test]
fn the_callers_context_is_current_again_afterwards() {
    let (tracer, spans) = tracer();
    let caller = tracer.span("caller").start();
    let log = ContextLog::new();
    let body = ScriptedBody::new().data("a");
    caller.context().scope(|| {
        let mut future =
            task::spawn(HttpServerLayer::new(&tracer).layer(service(&ContextLog::new(), body)).call(get("/")));
        log.note(Point::Note);
        assert_pending!(future.poll());
        log.note(Point::Note);
        assert_pending!(future.poll());
        let mut response = assert_ready!(future.poll()).unwrap();
        log.note(Point::Note);
        drain(response.body_mut()).unwrap();
        log.note(Point::Note);
        drop((future, response));
        log.note(Point::Note);
    });
    log.assert_only(caller.span_context());
    assert_eq!(one(&spans).parent_span_id, caller.span_context().map(|span| span.span_id()), "below the caller");
    caller.end(SpanEnd::Completed);
}

#[test]
fn interleaved_requests_keep_to_their_own() {
    let (tracer, spans) = tracer();
    let logs = [ContextLog::new(), ContextLog::new()];
    let mut futures = logs.clone().map(|log| {
        let inner = service(&log, ScriptedBody::new());
        task::spawn(HttpServerLayer::new(&tracer).layer(inner).call(get("/")))
    });
    for _ in 0..2 {
        for future in &mut futures {
            assert_pending!(future.poll());
        }
    }
    for (log, future) in logs.iter().zip(&mut futures) {
        assert!(assert_ready!(future.poll()).is_ok());
        log.assert_only(one(&spans).span_context);
    }
}

#[test]
fn below_the_span_are_its_children() {
    let (tracer, spans) = tracer();
    let child = |tracer: &Tracer| Span::end(tracer.span("child").start(), SpanEnd::Completed);
    let handler = {
        let tracer = tracer.clone();
        tower::service_fn(move |_: http::Request<()>| {
            let tracer = tracer.clone();
            child(&tracer);
            async move {
                child(&tracer);
                ContextProbe::new(&ContextLog::new()).pending(1).await;
                child(&tracer);
                Ok::<_, BodyError>(Response::new(ScriptedBody::new()))
            }
        })
    };
    drop(ready(tower::ServiceExt::oneshot(HttpServerLayer::new(&tracer).layer(handler), get("/"))).unwrap());
    throughline_testing::assert_trace!(spans, server "GET" { internal "child" internal "child" internal "child" });
}
