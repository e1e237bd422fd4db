//! One server on one port: axum with our layer, HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use throughline_axum::HttpServerLayer;
use throughline_core::{Context, Tracer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::timeout::TimeoutLayer;

/// Answers until its runtime ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) arrivals: Arrivals,
    /// Requests whose handler did not see the context that it was sent.
    pub(crate) lost: Arc<AtomicU64>,
}

/// How many requests of each visitor have reached their handler.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals(Arc<[watch::Sender<u64>]>);

// === impl Server ===

impl Server {
    pub(crate) async fn start(tracer: &Tracer) -> Self {
        let arrivals = Arrivals((0..super::VISITORS).map(|_| watch::Sender::new(0)).collect());
        let lost = Arc::new(AtomicU64::new(0));
        let layer = HttpServerLayer::new(tracer);
        let quick = Router::new()
            .route("/known", get(|| async { "hello" }))
            .route("/streamed", get(|| async { Body::from_stream(stream::iter(CHUNKS).map(Ok::<_, Infallible>)) }))
            .route("/no-content", get(|| async { StatusCode::NO_CONTENT }))
            .route("/refused", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "hello") }))
            .route("/trailers", get(trailers))
            .route("/echo", post(|request: Request| async { request.into_body() }))
            .route("/broken", get(broken))
            .route("/panic", get(panics))
            .route("/stuck/{visitor}", get(stuck))
            .route("/never/{visitor}", get(never))
            .with_state(arrivals.clone())
            .layer(axum::middleware::map_request_with_state(Arc::clone(&lost), check))
            .layer(layer.clone());
        // A timeout outside the layer: to the span it is a visitor who goes.
        let slow = Router::new().route("/slow", get(|| async { std::future::pending::<()>().await })).layer(layer);
        let slow = slow.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(1)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, quick.merge(slow)).await });
        Self { address, arrivals, lost }
    }
}

/// Whether the handler's context is what was sent; the visitor has put its trace's id into a header of its own.
async fn check(State(lost): State<Arc<AtomicU64>>, request: Request) -> Request {
    let trace = Context::current_span_context().map(|span| span.trace_id().to_string());
    let sent = request.headers().get("x-trace").map(HeaderValue::as_bytes);
    if trace.is_none() || sent.is_some_and(|sent| Some(sent) != trace.as_deref().map(str::as_bytes)) {
        lost.fetch_add(1, Ordering::Relaxed);
    }
    request
}

async fn panics() {
    panic_any(ON_PURPOSE);
}

async fn trailers() -> Response {
    let checksum = HeaderMap::from_iter([(HeaderName::from_static("x-checksum"), HeaderValue::from_static("1"))]);
    let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(checksum)];
    let body = Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))));
    ([("trailer", "x-checksum")], body).into_response()
}

async fn broken() -> Body {
    let frames = [Ok(Bytes::from_static(b"one")), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    Body::from_stream(stream::iter(frames))
}

async fn never(State(arrivals): State<Arrivals>, Path(visitor): Path<usize>) {
    arrivals.note(visitor);
    std::future::pending::<()>().await;
}

/// One frame, and then nothing for ever.
async fn stuck(State(arrivals): State<Arrivals>, Path(visitor): Path<usize>) -> Body {
    arrivals.note(visitor);
    Body::from_stream(stream::once(async { Ok::<_, Infallible>("one") }).chain(stream::pending()))
}

// === impl Arrivals ===

impl Arrivals {
    fn note(&self, visitor: usize) {
        self.0[visitor].send_modify(|count| *count += 1);
    }

    /// To be called before the request is sent; waits for it to reach its handler.
    pub(crate) fn next(&self, visitor: u64) -> impl Future<Output = ()> + use<> {
        let mut arrivals = self.0[usize::try_from(visitor).unwrap()].subscribe();
        let before = *arrivals.borrow_and_update();
        async move { drop(arrivals.wait_for(|count| *count > before).await) }
    }
}

/// What handlers panic with.
pub(crate) const ON_PURPOSE: &str = "on purpose";

const CHUNKS: [&str; 3] = ["one", "two", "three"];
