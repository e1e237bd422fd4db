//! [`CurrentSpan`]: what handlers write.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get as on_get;
use axum::{Extension, Router};
use throughline_axum::{CurrentSpan, HttpServerLayer};
use throughline_core::{AlwaysOff, Context, SpanRef};
use throughline_testing::{assert_trace, tracer, tracer_with};

use crate::{answer, get};

async fn order(span: CurrentSpan, Path(id): Path<u32>) -> String {
    span.set("order.id", id);
    span.event("looked up", &[]);
    format!("{:?}", span.span_context() == Context::current_span_context())
}

#[tokio::test]
async fn is_the_requests_own() {
    let (tracer, spans) = tracer();
    let app = Router::new().route("/orders/{id}", on_get(order)).layer(HttpServerLayer::new(&tracer));
    assert_eq!(answer(&app, get("/orders/7")).await.1, "true");
    assert_trace!(spans, server "GET /orders/{id}" ["order.id" = 7, event = "looked up"]);
}

#[tokio::test]
async fn may_name_what_failed() {
    let (tracer, spans) = tracer();
    let handler = async |span: CurrentSpan| span.set_error("out_of_stock");
    let app = Router::new().route("/", on_get(handler)).layer(HttpServerLayer::new(&tracer));
    answer(&app, get("/")).await;
    assert_trace!(spans, server "GET /" ["error.type" = "out_of_stock", "http.response.status_code" = 200, status = Error]);
}

#[tokio::test]
async fn is_there_in_middleware() {
    let (tracer, spans) = tracer();
    async fn tenant(span: CurrentSpan, request: Request, next: Next) -> Response {
        span.set("tenant", "7");
        next.run(request).await
    }
    let app = Router::new().route("/orders/{id}", on_get(order)).layer(from_fn(tenant));
    let app = app.layer(HttpServerLayer::new(&tracer));
    answer(&app, get("/orders/7")).await;
    assert_trace!(spans, server "GET /orders/{id}" ["tenant" = "7", "order.id" = 7]);
}

#[tokio::test]
async fn without_a_recorded_span_does_nothing() {
    let bare = Router::new().route("/orders/{id}", on_get(order));
    assert_eq!(answer(&bare, get("/orders/7")).await.1, "true");
    let (tracer, spans) = tracer_with(|tracer| tracer.sampler(AlwaysOff));
    let app = bare.layer(HttpServerLayer::new(&tracer));
    assert_eq!(answer(&app, get("/orders/7")).await.1, "true");
    assert!(spans.is_empty());
    assert_eq!(tracer.stats().late_writes, 0);
}

#[tokio::test]
async fn kept_for_too_long_writes_nothing_and_is_counted() {
    type Kept = Arc<Mutex<Option<SpanRef>>>;
    let (tracer, spans) = tracer();
    let kept = Kept::default();
    let handler = async |Extension(kept): Extension<Kept>, span: CurrentSpan| {
        *kept.lock().unwrap() = Some(span.into_inner());
    };
    let app = Router::new().route("/", on_get(handler)).layer(Extension(Arc::clone(&kept)));
    let app = app.layer(HttpServerLayer::new(&tracer));
    answer(&app, get("/")).await;
    let span = kept.lock().unwrap().take().unwrap();
    assert!(!span.is_recording());
    span.set("too", "late");
    span.event("too late", &[]);
    span.set_error("late");
    assert_eq!(tracer.stats().late_writes, 3);
    assert_trace!(spans, server "GET /" [!"too", status = Unset]);
}
