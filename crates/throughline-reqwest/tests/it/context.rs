//! The context is current wherever the inner service runs, and nowhere else.

use http::{Method, Response};
use reqwest::Request;
use throughline_core::{Context, SpanEnd};
use throughline_reqwest::HttpClientLayer;
use throughline_testing::{Answer, BodyError, Point, ScriptedService, tracer};
use tokio_test::{assert_pending, task};
use tower::Service as _;

use crate::rig::one;

type Scripted = ScriptedService<Request, reqwest::Response, BodyError>;

fn request() -> Request {
    Request::new(Method::GET, "http://inventory/".parse().unwrap())
}

fn response() -> reqwest::Response {
    Response::new("hello").into()
}

#[tokio::test]
async fn in_call_in_every_poll_and_in_drop() {
    let (tracer, spans) = tracer();
    let service = Scripted::new().answer(Answer::response(response()).pending(2));
    let log = service.log();
    let mut future = task::spawn(HttpClientLayer::new(&tracer).layer(service).call(request()));
    for _ in 0..2 {
        assert_pending!(future.poll());
        assert!(Context::current().is_root());
    }
    assert!(future.poll().is_ready());
    assert!(Context::current().is_root());
    assert_eq!(log.points(), [Point::Call, Point::Poll, Point::Poll, Point::Poll, Point::Drop]);
    log.assert_only(one(&spans).span_context);
}

#[test]
fn in_the_drop_of_what_was_cancelled() {
    let (tracer, spans) = tracer();
    for polls in [0, 2] {
        let service = Scripted::new().answer(Answer::never());
        let log = service.log();
        let mut future = task::spawn(HttpClientLayer::new(&tracer).layer(service).call(request()));
        for _ in 0..polls {
            assert_pending!(future.poll());
        }
        drop(future);
        assert_eq!(log.points().last(), Some(&Point::Drop));
        log.assert_only(one(&spans).span_context);
    }
}

#[test]
fn a_panic_ends_the_span_and_passes() {
    let (tracer, spans) = tracer();
    for answer in [Answer::panic(), Answer::panic_in_call()] {
        let mut client = HttpClientLayer::new(&tracer).layer(Scripted::new().answer(answer));
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            _ = task::spawn(client.call(request())).poll();
        }));
        assert_eq!(payload.unwrap_err().downcast_ref(), Some(&"scripted panic"));
        assert_eq!(one(&spans).end, SpanEnd::Panicked);
        assert!(Context::current().is_root());
    }
}

#[test]
fn readiness_is_the_inner_services() {
    let (tracer, spans) = tracer();
    let service = Scripted::new();
    let log = service.log();
    let mut client = HttpClientLayer::new(&tracer).layer(service);
    assert!(task::spawn(()).enter(|cx, _| client.poll_ready(cx)).is_ready());
    assert_eq!(log.points(), [Point::Ready]);
    assert!(spans.is_empty());
}

#[tokio::test]
async fn the_inner_service_is_given_the_request_as_it_was() {
    let (tracer, _) = tracer();
    let service = Scripted::new().respond(response());
    let mut asked = Request::new(Method::PUT, "http://u:p@inventory:81/a?b=c#d".parse().unwrap());
    asked.headers_mut().insert("x-tenant", "shop".parse().unwrap());
    *asked.body_mut() = Some("order".into());
    HttpClientLayer::new(&tracer).layer(service.clone()).call(asked).await.unwrap();
    let mut seen = service.take_requests().remove(0);
    assert!(seen.headers_mut().remove("traceparent").is_some());
    assert_eq!((seen.method(), seen.url().as_str()), (&Method::PUT, "http://u:p@inventory:81/a?b=c#d"));
    assert_eq!((seen.headers().len(), &seen.headers()["x-tenant"]), (1, &"shop".parse().unwrap()));
    assert_eq!(seen.body().and_then(reqwest::Body::as_bytes), Some(&b"order"[..]));
}
