//! The layer of an axum app, without sockets.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod bodies;
mod faults;
mod late_routes;
mod peers;
mod routes;
mod settings;
mod spans;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use throughline_core::SpanData;
use throughline_testing::MemorySink;
use tower::ServiceExt as _;

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// Status and body of the app's answer.
async fn answer(app: &Router, request: Request<Body>) -> (StatusCode, Bytes) {
    let response = app.clone().oneshot(request).await.unwrap();
    (response.status(), response.into_body().collect().await.unwrap().to_bytes())
}

/// The only span that ended since the last look.
#[track_caller]
fn one(spans: &MemorySink) -> SpanData {
    let mut ended = spans.take();
    assert_eq!(ended.len(), 1, "exactly one span ends:\n{}", throughline_testing::tree(&ended));
    ended.remove(0)
}

/// The text of an attribute; numbers as they are written.
fn text(span: &SpanData, key: &str) -> Option<String> {
    span.attribute(key).map(ToString::to_string)
}
