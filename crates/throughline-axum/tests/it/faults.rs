//! Panics and timeouts, with layers that deal with them outside ours and inside it. Time is paused.

use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::routing::get as on_get;
use http::StatusCode;
use throughline_axum::HttpServerLayer;
use throughline_core::{Context, SpanEnd, Status};
use throughline_testing::{assert_trace, tracer};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::{answer, get, one, text};

fn app() -> Router {
    async fn panics() {
        panic!("on purpose");
    }
    Router::new().route("/panic", on_get(panics)).route("/never", on_get(std::future::pending::<()>))
}

#[tokio::test]
async fn a_panic_passes_through() {
    let (tracer, spans) = tracer();
    let app = app().layer(HttpServerLayer::new(&tracer));
    let task = tokio::spawn(app.oneshot(get("/panic")));
    assert!(task.await.unwrap_err().is_panic());
    assert!(Context::current().is_root());
    assert_trace!(spans, server "GET /panic" [
        "error.type" = "panic", "throughline.outcome" = "panicked", "throughline.phase" = "head",
        !"http.response.status_code", end = Panicked, status = Error,
    ]);
}

#[tokio::test]
async fn a_panic_that_is_caught_outside_is_one() {
    let (tracer, spans) = tracer();
    let app = app().layer(HttpServerLayer::new(&tracer)).layer(CatchPanicLayer::new());
    assert_eq!(answer(&app, get("/panic")).await.0, 500);
    let span = one(&spans);
    assert_eq!((span.end, text(&span, "error.type").as_deref()), (SpanEnd::Panicked, Some("panic")));
}

#[tokio::test]
async fn a_panic_that_is_caught_inside_is_an_answer() {
    let (tracer, spans) = tracer();
    let app = app().layer(CatchPanicLayer::new()).layer(HttpServerLayer::new(&tracer));
    assert_eq!(answer(&app, get("/panic")).await.0, 500);
    let span = one(&spans);
    assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::error()));
    assert_eq!(text(&span, "error.type").as_deref(), Some("500"));
}

const LIMIT: Duration = Duration::from_secs(30);

fn answering(app: Router) -> Router {
    app.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LIMIT))
}

fn failing(app: Router) -> Router {
    let gone = HandleErrorLayer::new(async |_: tower::BoxError| StatusCode::GATEWAY_TIMEOUT);
    app.layer(ServiceBuilder::new().layer(gone).timeout(LIMIT))
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_cancels() {
    let (tracer, spans) = tracer();
    for limited in [answering, failing] {
        let app = limited(app().layer(HttpServerLayer::new(&tracer)));
        assert_eq!(answer(&app, get("/never")).await.0, 504);
        assert_trace!(spans.take(), server "GET /never" [
            "error.type" = "cancelled", "throughline.outcome" = "cancelled", "throughline.phase" = "head",
            !"http.response.status_code", end = Cancelled, status = Error,
        ]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_is_an_answer() {
    let (tracer, spans) = tracer();
    for limited in [answering, failing] {
        let app = limited(app()).layer(HttpServerLayer::new(&tracer));
        assert_eq!(answer(&app, get("/never")).await.0, 504);
        assert_trace!(spans.take(), server "GET /never" [
            "error.type" = "504", "http.response.status_code" = 504, !"throughline.outcome", end = Completed,
            status = Error,
        ]);
    }
}

/// A service that fails keeps its error, which need not be axum's `Infallible`.
#[tokio::test(start_paused = true)]
async fn a_failing_service_keeps_its_error() {
    let (tracer, spans) = tracer();
    let service = ServiceBuilder::new().layer(HttpServerLayer::new(&tracer)).timeout(LIMIT).service(app());
    let error: tower::BoxError = service.oneshot(get("/never")).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>());
    let span = one(&spans);
    assert_eq!((span.end, text(&span, "error.type").as_deref()), (SpanEnd::Failed, Some("timeout")));
}
