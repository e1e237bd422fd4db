//! Panics pass through, and the span says where they happened.

use http::Response;
use http_body_util::BodyExt as _;
use throughline_core::{Context, SpanData, SpanEnd, Status};
use throughline_testing::{Answer, BodyError, ContextLog, EndStream, ScriptedBody, tracer};
use throughline_tower::{EndAt, HttpClientLayer, HttpServerLayer};
use tokio_test::task;
use tower::Service;

use crate::rig::{Scripted, drain, exchange, frame, get, one, panics, ready, status, text};

#[track_caller]
fn assert_panicked(span: &SpanData, phase: &str, code: Option<&str>) {
    assert_eq!((span.end, &span.status), (SpanEnd::Panicked, &Status::error()));
    assert_eq!(text(span, "error.type").as_deref(), Some("panic"));
    assert_eq!(text(span, "throughline.outcome").as_deref(), Some("panicked"));
    assert_eq!(text(span, "throughline.phase").as_deref(), Some(phase));
    assert_eq!(text(span, "http.response.status_code").as_deref(), code);
}

#[test]
fn in_call() {
    let (tracer, spans) = tracer();
    let service = || Scripted::<ScriptedBody>::new().answer(Answer::panic_in_call());
    let mut server = HttpServerLayer::new(&tracer).layer(service());
    panics(|| server.call(get("/")));
    assert_panicked(&one(&spans), "head", None);
    let mut client = HttpClientLayer::new(&tracer).layer(service());
    panics(|| client.call(get("http://inventory/")));
    assert_panicked(&one(&spans), "head", None);
}

#[test]
fn in_a_poll_of_the_future() {
    let (tracer, spans) = tracer();
    let service =
        |log: &ContextLog| Scripted::<ScriptedBody>::new().answer(Answer::panic().pending(1)).observed_by(log);
    for side in ["server", "client"] {
        let log = ContextLog::new();
        let mut future = task::spawn(match side {
            "server" => HttpServerLayer::new(&tracer).layer(service(&log)).call(get("/")),
            _ => HttpClientLayer::new(&tracer).layer(service(&log)).call(get("http://inventory/")),
        });
        panics(|| while future.poll().is_pending() {});
        let span = one(&spans);
        assert_panicked(&span, "head", None);
        drop(future);
        assert!(spans.is_empty(), "the drop after the panic is no second end");
        log.assert_only(span.span_context);
    }
}

#[test]
fn in_a_poll_of_the_body() {
    let (tracer, spans) = tracer();
    let server = HttpServerLayer::new(&tracer);
    let log = ContextLog::new();
    let body = ScriptedBody::new().data("a").panic().observed_by(&log);
    let mut response = exchange(&server, get("/"), Response::new(body));
    drop(frame(response.body_mut()));
    panics(|| frame(response.body_mut()));
    let span = one(&spans);
    assert_panicked(&span, "body", Some("200"));
    drop(response);
    assert!(spans.is_empty(), "the drop after the panic is no second end");
    log.assert_only(span.span_context);

    let client = HttpClientLayer::new(&tracer).end_at(EndAt::Body);
    let body = ScriptedBody::new().panic();
    let mut response = exchange(&client, get("http://inventory/"), Response::new(body));
    panics(|| frame(response.body_mut()));
    assert_panicked(&one(&spans), "body", Some("200"));
}

#[test]
fn says_panic_whatever_the_status_was() {
    let (tracer, spans) = tracer();
    let answer = status(503).body(ScriptedBody::new().panic()).unwrap();
    let mut response = exchange(&HttpServerLayer::new(&tracer), get("/"), answer);
    panics(|| frame(response.body_mut()));
    assert_panicked(&one(&spans), "body", Some("503"));
}

/// A panic elsewhere that drops the future is not the request's: `Drop` never asks whether the thread is panicking.
#[test]
fn a_future_that_is_dropped_by_another_panic_is_cancelled() {
    let (tracer, spans) = tracer();
    let service = Scripted::<ScriptedBody>::new().answer(Answer::never());
    let future = HttpServerLayer::new(&tracer).layer(service).call(get("/"));
    panics(move || {
        let _future = future;
        panic!("scripted panic");
    });
    let span = one(&spans);
    assert_eq!(span.end, SpanEnd::Cancelled);
    assert_eq!(text(&span, "error.type").as_deref(), Some("cancelled"));
}

#[test]
fn after_the_end_changes_nothing() {
    let (tracer, spans) = tracer();
    let body = ScriptedBody::new().data("abc").panic().end_stream(EndStream::Never);
    let answer = status(200).header("content-length", 3).body(body).unwrap();
    let mut response = exchange(&HttpServerLayer::new(&tracer), get("/"), answer);
    drop(frame(response.body_mut()));
    panics(|| frame(response.body_mut()));
    drop(response);
    assert_eq!(one(&spans).end, SpanEnd::Completed);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("scripted panic");
    }
}

#[test]
fn in_a_destructor() {
    let (tracer, spans) = tracer();
    let service = |done: bool| {
        tower::service_fn(move |_: http::Request<()>| {
            let bomb = Bomb;
            async move {
                let _bomb = bomb;
                if !done {
                    std::future::pending::<()>().await;
                }
                Ok::<_, BodyError>(Response::new(ScriptedBody::new()))
            }
        })
    };
    for done in [false, true] {
        let mut future = task::spawn(HttpServerLayer::new(&tracer).layer(service(done)).call(get("/")));
        panics(move || {
            assert!(future.poll().is_pending(), "the handler is not done");
            drop(future);
        });
        assert_panicked(&one(&spans), "head", None);
    }
}

#[test]
fn in_the_destructor_of_a_body() {
    let (tracer, spans) = tracer();
    let streamed = |bomb: Bomb| {
        ScriptedBody::new().data("a").map_frame(move |frame| {
            let _bomb = &bomb;
            frame
        })
    };
    let server = HttpServerLayer::new(&tracer);
    for polls in [0, 1] {
        let mut response = exchange(&server, get("/"), Response::new(streamed(Bomb)));
        panics(move || {
            for _ in 0..polls {
                drop(frame(response.body_mut()));
            }
            drop(response);
        });
        assert_panicked(&one(&spans), "body", Some("200"));
    }
}

#[test]
fn a_service_that_panicked_goes_on() {
    let (tracer, spans) = tracer();
    let inner = Scripted::new()
        .answer(Answer::panic_in_call())
        .answer(Answer::panic())
        .respond(Response::new(ScriptedBody::new().data("fine")));
    let mut service = HttpServerLayer::new(&tracer).layer(inner);
    panics(|| service.call(get("/")));
    panics(|| ready(service.call(get("/"))));
    let mut response = ready(service.call(get("/"))).unwrap();
    drain(response.body_mut()).unwrap();
    let ends: Vec<_> = spans.take().into_iter().map(|span| (span.end, span.parent_span_id)).collect();
    assert_eq!(ends, [(SpanEnd::Panicked, None), (SpanEnd::Panicked, None), (SpanEnd::Completed, None)]);
    assert!(Context::current().is_root());
}
