//! When a client's span ends, row by row of design.md §3.

use http::{Method, Request, Response};
use throughline_core::{SpanData, SpanEnd, Status, Tracer};
use throughline_testing::{Answer, BodyError, EndStream, Gate, ScriptedBody, assert_trace, tracer};
use throughline_tower::{EndAt, HttpClientLayer, ResponseBody};
use tokio_test::{assert_pending, task};
use tower::Service;

use crate::rig::{Scripted, drain, exchange, frame, get, one, ready, status, text};

fn endless() -> ScriptedBody {
    ScriptedBody::new().data("abc").wait(&Gate::new())
}

fn at_body(tracer: &Tracer) -> HttpClientLayer {
    HttpClientLayer::new(tracer).end_at(EndAt::Body)
}

fn fetch(layer: &HttpClientLayer, answer: Response<ScriptedBody>) -> Response<ResponseBody<ScriptedBody>> {
    exchange(layer, get("http://inventory/"), answer)
}

/// The caller gave up, which is its own decision: not an error.
#[track_caller]
fn assert_cancelled(span: &SpanData, phase: &str, why: &str) {
    assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::Unset), "{why}");
    assert_eq!(span.attribute("error.type"), None, "{why}");
    assert_eq!(text(span, "throughline.outcome").as_deref(), Some("cancelled"), "{why}");
    assert_eq!(text(span, "throughline.phase").as_deref(), Some(phase), "{why}");
}

#[test]
fn ends_at_the_head_and_leaves_the_body_alone() {
    let (tracer, spans) = tracer();
    for layer in [HttpClientLayer::new(&tracer), at_body(&tracer).end_at(EndAt::Head)] {
        let mut response = fetch(&layer, Response::new(ScriptedBody::new().data("abc").error(BodyError("late"))));
        assert_trace!(spans.take(), client "GET" [
            "http.response.status_code" = 200, "network.protocol.version" = "1.1", !"error.type", !"throughline.phase",
            end = Completed, status = Unset,
        ]);
        assert!(drain(response.body_mut()).is_err());
        drop(response);
        assert!(spans.is_empty(), "it ends once");
    }
}

#[test]
fn ends_at_the_body_if_asked_to() {
    let (tracer, spans) = tracer();
    let layer = at_body(&tracer);
    let quiet = || ScriptedBody::new().data("abc").data("de").end_stream(EndStream::Never);
    for (why, length, body, polls) in [
        ("end of stream", None, quiet(), 3),
        ("trailers", None, quiet().trailers([("grpc-status", "0")]), 3),
        ("`is_end_stream` after a frame", None, quiet().end_stream(EndStream::Honest), 2),
        ("content-length reached", Some(5), quiet(), 2),
        ("exact size reached", None, quiet().exact_size(), 2),
        ("nothing to read", None, ScriptedBody::new(), 0),
        ("content-length 0", Some(0), ScriptedBody::new().end_stream(EndStream::Never), 0),
    ] {
        let mut answer = Response::new(body);
        if let Some(length) = length {
            answer.headers_mut().insert("content-length", length.into());
        }
        let mut response = fetch(&layer, answer);
        for poll in 1..=polls {
            assert!(spans.is_empty(), "{why}: ended before poll {poll}");
            drop(frame(response.body_mut()));
        }
        let span = one(&spans);
        assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::Unset), "{why}");
        drain(response.body_mut()).unwrap();
        drop(response);
        assert!(spans.is_empty(), "{why}: it ends once");
    }
}

#[test]
fn responses_that_have_no_body_end_at_their_head_all_the_same() {
    let (tracer, spans) = tracer();
    let tunnel = (Method::CONNECT, 200);
    for (method, code) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304), (Method::GET, 101), tunnel] {
        let request = Request::builder().method(&method).uri("http://inventory/").body(()).unwrap();
        let answer = status(code).header("content-length", 9).body(endless()).unwrap();
        let response = exchange(&at_body(&tracer), request, answer);
        assert_eq!(one(&spans).end, SpanEnd::Completed, "{method} {code}");
        drop(response);
        assert!(spans.is_empty(), "{method} {code}");
    }
}

#[test]
fn a_dropped_future_is_cancelled_and_no_error() {
    let (tracer, spans) = tracer();
    for end in [EndAt::Head, EndAt::Body] {
        for polls in [0, 1, 2] {
            let service = Scripted::<ScriptedBody>::new().answer(Answer::never());
            let layer = HttpClientLayer::new(&tracer).end_at(end);
            let mut future = task::spawn(layer.layer(service).call(get("http://inventory/")));
            for _ in 0..polls {
                assert_pending!(future.poll());
            }
            assert!(spans.is_empty());
            drop(future);
            assert_cancelled(&one(&spans), "head", &format!("{end:?} after {polls} poll(s)"));
        }
    }
}

#[test]
fn a_dropped_body_is_cancelled_and_no_error() {
    let (tracer, spans) = tracer();
    for frames in [0, 1] {
        let mut response = fetch(&at_body(&tracer), Response::new(endless()));
        for _ in 0..frames {
            assert!(frame(response.body_mut()).unwrap().is_ok());
        }
        assert!(spans.is_empty());
        drop(response);
        let span = one(&spans);
        assert_cancelled(&span, "body", &format!("after {frames} frame(s)"));
        assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("200"));
    }
}

#[test]
fn a_dropped_body_of_an_error_stays_the_error_that_it_was() {
    let (tracer, spans) = tracer();
    drop(fetch(&at_body(&tracer), status(404).body(endless()).unwrap()));
    let span = one(&spans);
    assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::error()));
    assert_eq!(text(&span, "error.type").as_deref(), Some("404"));
}

#[test]
fn a_body_that_fails_is_an_error_if_it_is_waited_for() {
    let (tracer, spans) = tracer();
    let mut response = fetch(&at_body(&tracer), Response::new(ScriptedBody::new().data("a").error(BodyError("x"))));
    assert!(drain(response.body_mut()).is_err());
    drop(response);
    assert_trace!(spans, client "GET" [
        "error.type" = "BodyError", "http.response.status_code" = 200, end = Failed, status = Error,
    ]);
}

#[test]
fn a_request_that_fails_is_an_error() {
    let (tracer, spans) = tracer();
    let service = Scripted::<ScriptedBody>::new().answer(Answer::error(BodyError("secret text")).pending(1));
    let error = ready(HttpClientLayer::new(&tracer).layer(service).call(get("http://inventory/"))).unwrap_err();
    assert_eq!(error, BodyError("secret text"));
    assert_trace!(spans, client "GET" [
        "error.type" = "BodyError", !"http.response.status_code", end = Failed, status = Error,
    ]);
    assert!(!format!("{:?}", spans.spans()).contains("secret"), "an error's text is not telemetry");
}

#[test]
fn statuses_say_how_it_went() {
    let (tracer, spans) = tracer();
    for (code, error) in
        [(101, false), (200, false), (304, false), (399, false), (400, true), (404, true), (429, true), (500, true)]
    {
        drop(fetch(&HttpClientLayer::new(&tracer), status(code).body(ScriptedBody::new()).unwrap()));
        let span = one(&spans);
        assert_eq!(span.status, if error { Status::error() } else { Status::Unset }, "{code}");
        assert_eq!(text(&span, "error.type"), error.then(|| code.to_string()), "{code}");
        assert_eq!(text(&span, "http.response.status_code"), Some(code.to_string()));
    }
}
