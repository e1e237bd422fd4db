//! What the servers of these tests answer.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::{broadcast, mpsc};

/// Tells tests which requests have reached their handler.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals(broadcast::Sender<u32>);

impl Arrivals {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(256).0)
    }

    /// To be called before the request is sent.
    pub(crate) fn expect(&self, id: u32) -> impl Future<Output = ()> + use<> {
        let mut arrivals = self.0.subscribe();
        async move { while arrivals.recv().await.expect("the server is there") != id {} }
    }
}

pub(crate) fn routes(arrivals: &Arrivals) -> Router {
    Router::new()
        .route("/known", get(|| async { "hello" }))
        .route("/streamed", get(|| async { chunks(["one", "two", "three"]) }))
        .route("/trailers", get(trailers))
        .route("/empty", get(|| async {}))
        .route("/declared", get(declared))
        .route("/no-content", get(|| async { (StatusCode::NO_CONTENT, chunks([])) }))
        .route("/not-modified", get(|| async { (StatusCode::NOT_MODIFIED, chunks([])) }))
        .route("/refused", get(|| async { (StatusCode::FORBIDDEN, "no") }))
        .route("/failed", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "later") }))
        .route("/broken", get(broken))
        .route("/panic", get(panics))
        .route("/panic-body", get(panics_in_the_body))
        .route("/never/{id}", get(never))
        .route("/stuck/{id}", get(stuck))
        .route("/fed/{id}", get(fed))
        .with_state(arrivals.clone())
}

/// Of unknown length: the body says that it has ended only when it is asked for more.
fn chunks<const N: usize>(chunks: [&'static str; N]) -> Body {
    Body::from_stream(stream::iter(chunks.map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk.as_bytes())))))
}

/// Of a length that only the head knows. HTTP/1.1 never asks whether the body has ended, HTTP/2 does.
async fn declared() -> Response {
    ([("content-length", "3")], chunks(["one"])).into_response()
}

/// Stops in its middle.
fn endless() -> Body {
    Body::from_stream(stream::once(async { Ok::<_, Infallible>("one") }).chain(stream::pending()))
}

async fn trailers() -> Response {
    let trailers = [(http::HeaderName::from_static("x-checksum"), http::HeaderValue::from_static("1"))];
    let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(trailers.into_iter().collect())];
    let body = Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))));
    ([("trailer", "x-checksum")], body).into_response()
}

async fn broken() -> Body {
    Body::from_stream(one_and_then(Err(io::ErrorKind::ConnectionReset.into())))
}

/// Pending in between, so that a server sends the head and the first item before it sees the other.
pub(crate) fn one_and_then(then: io::Result<Bytes>) -> impl Stream<Item = io::Result<Bytes>> {
    let first = stream::once(async { Ok(Bytes::from_static(b"one")) });
    first.chain(stream::once(async {
        tokio::task::yield_now().await;
        then
    }))
}

async fn panics() {
    panic!("on purpose");
}

async fn panics_in_the_body() -> Body {
    Body::from_stream(
        stream::once(async { Ok::<_, Infallible>("one") }).chain(stream::once(async { panic!("on purpose") })),
    )
}

/// Has no response.
async fn never(State(Arrivals(arrivals)): State<Arrivals>, Path(id): Path<u32>) {
    let _ = arrivals.send(id);
    std::future::pending::<()>().await;
}

/// Has a body that stops in its middle.
async fn stuck(State(Arrivals(arrivals)): State<Arrivals>, Path(id): Path<u32>) -> Body {
    let _ = arrivals.send(id);
    endless()
}

/// Has a body that a task feeds for as long as somebody reads it.
async fn fed(State(Arrivals(arrivals)): State<Arrivals>, Path(id): Path<u32>) -> Body {
    let (feed, mut food) = mpsc::channel::<Result<Bytes, Infallible>>(2);
    throughline_task::spawn(async move { while feed.send(Ok(Bytes::from_static(&[b'x'; 1024]))).await.is_ok() {} });
    let _ = arrivals.send(id);
    Body::from_stream(stream::poll_fn(move |cx| food.poll_recv(cx)))
}

/// Longer than any test should wait, shorter than whoever runs it would.
pub(crate) const LONG: Duration = Duration::from_secs(30);
