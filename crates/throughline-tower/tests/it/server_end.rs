//! When a server's span ends, row by row of design.md §3.

use http::{Method, Request, Response, StatusCode};
use http_body::SizeHint;
use throughline_core::{Context, SpanData, SpanEnd, Status, Tracer};
use throughline_testing::{Answer, BodyError, EndStream, Gate, ScriptedBody, ScriptedService, assert_trace, tracer};
use throughline_tower::{HttpServerLayer, ResponseBody};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt};

use crate::rig::{Scripted, drain, exchange, frame, get, one, poll_frame, ready, request, status, text};

/// What a server makes of the answer to `GET /`.
fn serve(tracer: &Tracer, answer: Response<ScriptedBody>) -> Response<ResponseBody<ScriptedBody>> {
    exchange(&HttpServerLayer::new(tracer), get("/"), answer)
}

fn endless() -> ScriptedBody {
    ScriptedBody::new().data("abc").wait(&Gate::new())
}

fn never_says_so() -> ScriptedBody {
    ScriptedBody::new().end_stream(EndStream::Never)
}

#[track_caller]
fn assert_completed(span: &SpanData, why: &str) {
    assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::Unset), "{why}");
    for absent in ["error.type", "throughline.outcome", "throughline.phase"] {
        assert_eq!(span.attribute(absent), None, "{why}: {absent}");
    }
}

#[track_caller]
fn assert_cancelled(span: &SpanData, phase: &str, why: &str) {
    assert_eq!(span.end, SpanEnd::Cancelled, "{why}");
    assert_eq!(span.status, Status::error(), "{why}");
    assert_eq!(text(span, "error.type").as_deref(), Some("cancelled"), "{why}");
    assert_eq!(text(span, "throughline.outcome").as_deref(), Some("cancelled"), "{why}");
    assert_eq!(text(span, "throughline.phase").as_deref(), Some(phase), "{why}");
}

#[test]
fn ends_at_the_head_where_nobody_asks_for_a_body() {
    let (tracer, spans) = tracer();
    for (why, method, answer) in [
        ("HEAD", Method::HEAD, status(200).header("content-length", 3).body(endless())),
        ("no content", Method::GET, status(204).body(endless())),
        ("not modified", Method::GET, status(304).header("content-length", 3).body(endless())),
        ("continue", Method::GET, status(100).body(endless())),
        ("switching protocols", Method::GET, status(101).body(endless())),
        ("early hints", Method::GET, status(103).body(endless())),
        ("a tunnel", Method::CONNECT, status(200).body(endless())),
        ("content-length 0", Method::GET, status(200).header("content-length", 0).body(never_says_so())),
        ("the body says it has ended", Method::GET, status(200).body(ScriptedBody::new())),
        ("exactly no bytes", Method::GET, status(200).body(never_says_so().exact_size())),
    ] {
        let (answer, asked) = (answer.unwrap(), Request::builder().method(method).body(()).unwrap());
        let code = answer.status().as_u16();
        let response = exchange(&HttpServerLayer::new(&tracer), asked, answer);
        let span = one(&spans);
        assert_completed(&span, why);
        assert_eq!(text(&span, "http.response.status_code"), Some(code.to_string()), "{why}");
        drop(response);
        assert!(spans.is_empty(), "{why}: it ends once");
    }
}

#[test]
fn a_tunnel_that_was_refused_has_a_body() {
    let (tracer, spans) = tracer();
    let asked = Request::connect("inventory:443").body(()).unwrap();
    let mut response = exchange(&HttpServerLayer::new(&tracer), asked, status(407).body(never_says_so()).unwrap());
    assert!(spans.is_empty(), "not at the head");
    drain(response.body_mut()).unwrap();
    assert_completed(&one(&spans), "at the end of the body");
}

#[test]
fn ends_with_the_frame_that_nothing_follows() {
    let (tracer, spans) = tracer();
    let two = || ScriptedBody::new().data("abc").data("de");
    let quiet = || two().end_stream(EndStream::Never);
    let trailers = [("x-checksum", "1")];
    for (why, length, body, polls) in [
        ("end of stream", None, quiet(), 3),
        ("trailers", None, two().trailers(trailers), 3),
        ("trailers that the body does not call its end", None, quiet().trailers(trailers).pending(), 3),
        ("`is_end_stream` after a frame", None, two(), 2),
        ("content-length reached", Some("5"), quiet(), 2),
        ("content-length reached, frames are late", Some("3"), quiet(), 1),
        ("content-length exceeded within a frame", Some("4"), quiet(), 2),
        ("content-length with blanks", Some(" 5 "), quiet(), 2),
        ("content-length is no number", Some("five"), quiet(), 3),
        ("content-length is no number, size known", Some("five"), quiet().exact_size(), 2),
        ("content-length before size hint", Some("3"), quiet().exact_size(), 1),
        ("exact size reached", None, quiet().exact_size(), 2),
        ("exact size of the head, changed later", None, quiet().size(SizeHint::with_exact(5)), 2),
        ("no exact size", None, quiet().size(at_most(5)), 3),
        ("an empty frame is no end", Some("3"), never_says_so().data("").data("abc"), 2),
        ("a pending body is no end", None, ScriptedBody::new().pending().data("abc").pending().data("d"), 2),
    ] {
        let mut answer = Response::new(body);
        if let Some(length) = length {
            answer.headers_mut().insert("content-length", length.parse().unwrap());
        }
        let mut response = serve(&tracer, answer);
        for poll in 1..=polls {
            assert!(spans.is_empty(), "{why}: ended before poll {poll}");
            drop(frame(response.body_mut()));
        }
        assert_completed(&one(&spans), why);
        drain(response.body_mut()).unwrap();
        drop(frame(response.body_mut()));
        drop(response);
        assert!(spans.is_empty(), "{why}: it ends once");
    }
}

#[test]
fn a_body_that_falls_short_of_its_declared_length_has_failed() {
    let two = || ScriptedBody::new().data("abc").data("de");
    for (why, length, body) in [
        ("end of stream", Some("6"), two().end_stream(EndStream::Never)),
        ("`is_end_stream` after a frame", Some("6"), two()),
        ("trailers", Some("6"), two().trailers([("x-checksum", "1")])),
        ("of a size that it knew itself", None, two().end_stream(EndStream::Never).size(SizeHint::with_exact(6))),
    ] {
        let (tracer, spans) = tracer();
        let mut answer = Response::new(body);
        if let Some(length) = length {
            answer.headers_mut().insert("content-length", length.parse().unwrap());
        }
        drain(serve(&tracer, answer).body_mut()).unwrap();
        let span = one(&spans);
        assert_eq!((span.end, span.status.is_error()), (SpanEnd::Failed, true), "{why}");
        assert_eq!(span.attribute("error.type"), Some(&"incomplete_body".into()), "{why}");
    }
}

fn at_most(bytes: u64) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_upper(bytes);
    hint
}

#[test]
fn late_frames_pass_through() {
    let (tracer, spans) = tracer();
    let body = never_says_so().data("abc").data("de").trailers([("x", "1")]);
    let mut response = serve(&tracer, status(200).header("content-length", 3).body(body).unwrap());
    drop(frame(response.body_mut()));
    assert_eq!(spans.len(), 1);
    assert_eq!(frame(response.body_mut()).unwrap().unwrap().into_data().unwrap(), "de");
    assert_eq!(frame(response.body_mut()).unwrap().unwrap().into_trailers().unwrap()["x"], "1");
    assert!(frame(response.body_mut()).is_none());
    drop(response);
    assert_completed(&one(&spans), "late frames");
}

#[test]
fn an_error_after_the_declared_length_is_not_the_requests() {
    let (tracer, spans) = tracer();
    let body = never_says_so().data("abc").error(BodyError("late"));
    let mut response = serve(&tracer, status(200).header("content-length", 3).body(body).unwrap());
    drop(frame(response.body_mut()));
    assert_eq!(frame(response.body_mut()).unwrap().unwrap_err(), BodyError("late"));
    assert_completed(&one(&spans), "the server does not poll again");
}

#[test]
fn a_body_that_fails_after_a_200_is_an_error() {
    let (tracer, spans) = tracer();
    let body = ScriptedBody::new().data("abc").error(BodyError("disk full")).data("never");
    let mut response = serve(&tracer, Response::new(body));
    assert!(frame(response.body_mut()).unwrap().is_ok());
    assert!(spans.is_empty());
    assert_eq!(frame(response.body_mut()).unwrap().unwrap_err(), BodyError("disk full"));
    assert_trace!(spans, server "GET" [
        "http.response.status_code" = 200, "error.type" = "BodyError", !"throughline.outcome", !"throughline.phase",
        end = Failed, status = Error,
    ]);
    drain(response.body_mut()).unwrap();
    drop(response);
    assert_eq!(spans.len(), 1, "it ends once");
}

#[test]
fn statuses_say_how_it_went() {
    let (tracer, spans) = tracer();
    for (code, wanted, error_type) in [
        (100, Status::Unset, None),
        (200, Status::Unset, None),
        (302, Status::Unset, None),
        (400, Status::Unset, None),
        (404, Status::Unset, None),
        (499, Status::Unset, None),
        (500, Status::error(), Some("500")),
        (503, Status::error(), Some("503")),
        (599, Status::error(), Some("599")),
        (600, Status::error(), Some("600")),
        (999, Status::error(), Some("999")),
    ] {
        drop(serve(&tracer, status(code).body(ScriptedBody::new()).unwrap()));
        let span = one(&spans);
        assert_eq!(span.status, wanted, "{code}");
        assert_eq!(text(&span, "error.type").as_deref(), error_type, "{code}");
        assert_eq!(text(&span, "http.response.status_code"), Some(code.to_string()));
    }
}

#[test]
fn a_dropped_future_is_a_cancellation_in_the_head() {
    let (tracer, spans) = tracer();
    for (why, polls) in [("before the first poll", 0), ("after the first poll", 1), ("after some polls", 3)] {
        let service = Scripted::<ScriptedBody>::new().answer(Answer::never().pending(polls));
        let mut future = task::spawn(HttpServerLayer::new(&tracer).layer(service).call(get("/")));
        for _ in 0..polls {
            assert_pending!(future.poll());
        }
        assert!(spans.is_empty(), "{why}");
        drop(future);
        let span = one(&spans);
        assert_cancelled(&span, "head", why);
        assert_eq!(span.attribute("http.response.status_code"), None, "{why}: nothing was sent");
    }
}

#[test]
fn a_dropped_body_is_a_cancellation_in_the_body() {
    let (tracer, spans) = tracer();
    for (why, code, length, frames) in [
        ("never polled", 200, None, 0),
        ("after a frame", 200, None, 1),
        ("short of the declared length", 200, Some("4"), 1),
        ("of an error page", 500, None, 1),
    ] {
        let mut answer = status(code).body(endless()).unwrap();
        if let Some(length) = length {
            answer.headers_mut().insert("content-length", length.parse().unwrap());
        }
        let mut response = serve(&tracer, answer);
        for _ in 0..frames {
            assert!(frame(response.body_mut()).unwrap().is_ok());
        }
        let mut body = task::spawn(response.into_body());
        if frames > 0 {
            assert_pending!(poll_frame(&mut body));
        }
        assert!(spans.is_empty(), "{why}");
        drop(body);
        let span = one(&spans);
        assert_cancelled(&span, "body", why);
        assert_eq!(text(&span, "http.response.status_code"), Some(code.to_string()), "{why}");
    }
}

#[test]
fn an_outer_layer_that_replaces_our_body_cancels() {
    let (tracer, spans) = tracer();
    let service = HttpServerLayer::new(&tracer).layer(Scripted::new().respond(Response::new(endless())));
    let outer = service.map_response(|response| response.map(|_ours| ScriptedBody::new()));
    let response = ready(outer.oneshot(get("/"))).unwrap();
    assert_cancelled(&one(&spans), "body", "replaced");
    drop(response);
    assert!(spans.is_empty());
}

#[test]
fn an_inner_layer_may_replace_the_body() {
    let (tracer, spans) = tracer();
    let inner = Scripted::new().respond(Response::new(endless()));
    let inner = inner.map_response(|response| response.map(|_theirs| ScriptedBody::new().data("other")));
    let response = ready(HttpServerLayer::new(&tracer).layer(inner).oneshot(get("/"))).unwrap();
    drain(&mut response.into_body()).unwrap();
    assert_completed(&one(&spans), "replaced before we saw it");
}

#[test]
fn a_service_that_fails_ends_its_span_in_the_head() {
    let (tracer, spans) = tracer();
    let service = Scripted::<ScriptedBody>::new().answer(Answer::error(BodyError("secret text")).pending(1));
    let error = ready(HttpServerLayer::new(&tracer).layer(service).call(get("/"))).unwrap_err();
    assert_eq!(error, BodyError("secret text"), "it is the service's own");
    assert_trace!(spans, server "GET" [
        "error.type" = "BodyError", !"http.response.status_code", !"throughline.phase", end = Failed, status = Error,
    ]);
    assert!(!format!("{:?}", spans.spans()).contains("secret"), "an error's text is not telemetry");
}

#[test]
fn the_end_waits_for_no_clone_of_the_context() {
    let (tracer, spans) = tracer();
    let mut kept = Vec::new();
    let service = tower::service_fn(|_: Request<()>| {
        kept.push(Context::current());
        std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new().data("a"))))
    });
    let mut response = ready(HttpServerLayer::new(&tracer).layer(service).oneshot(get("/"))).unwrap();
    drain(response.body_mut()).unwrap();
    let before = one(&spans);
    assert_completed(&before, "leaked clones");
    assert_eq!(kept[0].span_context(), Some(before.span_context));
    kept[0].span().set("too", "late");
    assert_eq!(tracer.stats().late_writes, 1);
    drop((response, kept));
    assert!(spans.is_empty(), "the clones end nothing");
}

/// Trace shape 4: what a handler spawned and left behind is still below its span, which it cannot change.
#[test]
fn a_child_may_outlive_the_span() {
    let (tracer, spans) = tracer();
    let mut spawned = None;
    let service = tower::service_fn(|_: Request<()>| {
        let context = Context::current();
        let tracer = context.tracer().cloned().expect("the context has its tracer");
        spawned = Some(move || {
            context.scope(|| tracer.span("audit").start().end(SpanEnd::Completed));
            context.span().set_error("late");
        });
        std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
    });
    drop(ready(HttpServerLayer::new(&tracer).layer(service).oneshot(get("/"))).unwrap());
    let server = spans.spans();
    assert_eq!(server.len(), 1, "the handler returned first");
    spawned.expect("the handler ran")();
    assert_trace!(spans, server "GET" [status = Unset, !"error.type"] { internal "audit" });
    assert_eq!(spans.spans()[0], server[0], "the ended span is as it was");
}

#[test]
fn a_handler_may_say_more_about_its_failure() {
    let (tracer, spans) = tracer();
    let service = tower::service_fn(|_: Request<()>| {
        Context::current().span().set_error("out_of_stock");
        let answer = status(500).body(ScriptedBody::new()).unwrap();
        std::future::ready(Ok::<_, BodyError>(answer))
    });
    drop(ready(HttpServerLayer::new(&tracer).layer(service).oneshot(get("/"))).unwrap());
    assert_trace!(spans, server "GET" ["error.type" = "out_of_stock", status = Error]);
}

#[test]
fn requests_do_not_share_their_ends() {
    let (tracer, spans) = tracer();
    let inner = ScriptedService::<_, _, BodyError>::new()
        .respond(Response::new(endless()))
        .respond(Response::new(ScriptedBody::new()))
        .answer(Answer::never());
    let mut service = HttpServerLayer::new(&tracer).layer(inner);
    let first = ready(service.call(request(Method::GET, "/1", []))).unwrap();
    let second = ready(service.call(request(Method::PUT, "/2", []))).unwrap();
    let third = service.call(request(Method::POST, "/3", []));
    assert_eq!(second.status(), StatusCode::OK);
    assert_completed(&one(&spans), "the second");
    drop(third);
    assert_cancelled(&one(&spans), "head", "the third");
    drop(first);
    assert_cancelled(&one(&spans), "body", "the first");
}

/// What remains of a request is dropped with its sink: nothing may be left to be counted as abandoned.
#[test]
fn no_span_is_abandoned() {
    let (tracer, _) = tracer();
    drop(serve(&tracer, Response::new(endless())));
    drop(HttpServerLayer::new(&tracer).layer(Scripted::<ScriptedBody>::new().answer(Answer::never())).call(get("/")));
    drop(serve(&tracer, Response::new(ScriptedBody::new())));
    assert_eq!(tracer.stats().abandoned, 0);
}
