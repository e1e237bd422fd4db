//! Bodies stay axum's own, and are wrapped only if there is something to watch.

use std::io;

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use throughline_axum::{HttpServer, HttpServerLayer, ResponseFuture};
use throughline_core::{AlwaysOff, SpanEnd};
use throughline_testing::{BoxError, ContextLog, EndStream, ScriptedBody, tracer, tracer_with};
use tower::{Service, ServiceExt as _, service_fn};

use crate::{get, one, text};

/// What goes in comes out: a router takes the layer without boxing a body of another type.
const fn is_axums_own<S: Service<Request<Body>, Response = Response<Body>>>() {}
const fn is_send<T: Send + 'static>() {}
const _: () = {
    is_axums_own::<HttpServer<axum::routing::Route>>();
    is_axums_own::<HttpServer<HttpServer<Router>>>();
    is_send::<ResponseFuture<std::future::Ready<()>>>();
    is_send::<HttpServerLayer>();
};

/// The response to `GET /` of a service that answers with this body.
async fn respond(layer: HttpServerLayer, body: ScriptedBody<BoxError>) -> Response<Body> {
    let mut body = Some(Body::new(body));
    let service = service_fn(move |_: Request<Body>| {
        let body = body.take().unwrap();
        async { Ok::<_, io::Error>(Response::new(body)) }
    });
    layer.layer(service).oneshot(get("/")).await.unwrap()
}

fn streamed() -> ScriptedBody<BoxError> {
    ScriptedBody::of().data("abc").data("de").end_stream(EndStream::Never)
}

/// A wrapper shows: it attaches the context to what it wraps.
#[tokio::test]
async fn are_wrapped_only_if_there_is_something_to_watch() {
    let (off, _) = tracer_with(|tracer| tracer.sampler(AlwaysOff));
    let (on, _) = tracer();
    for (why, tracer, body, wrapped) in [
        ("unsampled, of known length", &off, streamed().exact_size(), false),
        ("unsampled, of unknown length", &off, streamed(), true),
        ("sampled, of known length", &on, streamed().exact_size(), true),
        ("sampled, of unknown length", &on, streamed(), true),
    ] {
        let log = ContextLog::new();
        let mut response = respond(HttpServerLayer::new(tracer), body.observed_by(&log)).await;
        response.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(log.entries()[0].span.is_some(), wrapped, "{why}");
    }
}

/// A box around a box would show: axum wraps errors in its own once per box.
#[tokio::test]
async fn are_not_boxed_anew_if_there_is_nothing_to_watch() {
    let (tracer, _) = tracer_with(|tracer| tracer.sampler(AlwaysOff));
    let body = streamed().error(BoxError::from(io::Error::from(io::ErrorKind::ConnectionReset))).exact_size();
    let mut response = respond(HttpServerLayer::new(&tracer), body).await;
    let error = response.body_mut().collect().await.unwrap_err();
    assert!(error.into_inner().is::<io::Error>(), "one box, one wrapper");
}

#[tokio::test]
async fn are_forwarded_in_all_they_say() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer);
    let response = respond(layer.clone(), streamed().exact_size()).await;
    assert_eq!((response.body().size_hint().exact(), response.body().is_end_stream()), (Some(5), false));
    let response = respond(layer.clone(), ScriptedBody::of().exact_size()).await;
    assert_eq!((response.body().size_hint().exact(), response.body().is_end_stream()), (Some(0), true));
    spans.clear();
    let mut response = respond(layer, streamed().trailers([("x", "1")])).await;
    let collected = response.body_mut().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x"], "1");
    assert_eq!(collected.to_bytes(), "abcde");
    assert_eq!(one(&spans).end, SpanEnd::Completed);
}

#[tokio::test]
async fn are_streamed_to_their_end() {
    let (tracer, spans) = tracer();
    let mut response = respond(HttpServerLayer::new(&tracer), streamed()).await;
    for _ in 0..2 {
        response.body_mut().frame().await.unwrap().unwrap();
        assert!(spans.is_empty());
    }
    assert!(response.body_mut().frame().await.is_none());
    assert_eq!(one(&spans).end, SpanEnd::Completed);
    drop(respond(HttpServerLayer::new(&tracer), streamed()).await);
    let span = one(&spans);
    assert_eq!((span.end, text(&span, "throughline.phase").as_deref()), (SpanEnd::Cancelled, Some("body")));
}

/// Axum's error is called `Error` and says nothing; what it wraps does.
#[tokio::test]
async fn that_fail_are_named_by_what_went_wrong() {
    let (tracer, spans) = tracer();
    let reset = || BoxError::from(io::Error::from(io::ErrorKind::ConnectionReset));
    for (why, error, named) in [
        ("input and output", reset(), "connection_reset"),
        ("of axum itself", axum::Error::new(reset()).into(), "connection_reset"),
        ("tower's timeout", tower::timeout::error::Elapsed::new().into(), "timeout"),
        ("unknown", "disk 7 is full".into(), "_OTHER"),
    ] {
        let mut response = respond(HttpServerLayer::new(&tracer), streamed().error(error)).await;
        let seen: axum::Error = response.body_mut().collect().await.unwrap_err();
        assert!(std::error::Error::source(&seen).is_some(), "{why}: the cause is handed on");
        let span = one(&spans);
        assert_eq!((span.end, text(&span, "error.type").as_deref()), (SpanEnd::Failed, Some(named)), "{why}");
    }
}

#[tokio::test]
async fn of_a_router_are_handed_on_unboxed_if_they_are_empty() {
    let (tracer, spans) = tracer();
    let app = Router::new().route("/", on_get(async || {})).layer(HttpServerLayer::new(&tracer));
    let response = app.oneshot(get("/")).await.unwrap();
    assert_eq!(one(&spans).end, SpanEnd::Completed, "at the head");
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn that_fail_may_be_named_by_the_application() {
    let (tracer, spans) = tracer();
    let named = |error: &BoxError| (error.to_string() == "disk 7 is full").then_some("disk_full");
    let layer = HttpServerLayer::new(&tracer).error_type(named);
    for (error, wanted) in [("disk 7 is full", "disk_full"), ("disk 8 is full", "_OTHER")] {
        let mut response = respond(layer.clone(), streamed().error(BoxError::from(error))).await;
        response.body_mut().collect().await.unwrap_err();
        assert_eq!(text(&one(&spans), "error.type").as_deref(), Some(wanted));
    }
}
