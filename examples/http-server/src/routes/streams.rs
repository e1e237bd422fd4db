//! Answers whose body takes a while.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;

use crate::app::Shared;
use crate::bounds::{Count, Millis, Size};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/stream", get(chunks)).route("/download", get(download)).route("/echo", post(echo))
}

/// So many bytes, in frames of 16 KiB and a last one of what is left.
pub(super) fn frames(bytes: u64) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(bytes, async |left| {
        let frame = left.min(FRAME.len() as u64);
        (frame > 0).then(|| (Bytes::from_static(FRAME).slice(..frame as usize), left - frame))
    })
}

#[derive(Deserialize)]
#[serde(default)]
struct Chunks {
    chunks: Count,
    ms: Millis,
}

#[derive(Deserialize)]
#[serde(default)]
struct Download {
    bytes: Size,
}

async fn chunks(Query(Chunks { chunks, ms }): Query<Chunks>) -> Body {
    let pause = Duration::from_millis(ms.get());
    Body::from_stream(stream::iter(1..=chunks.get()).then(move |number| async move {
        if number > 1 && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok::<_, Infallible>(format!("chunk {number}\n"))
    }))
}

async fn download(Query(Download { bytes }): Query<Download>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_LENGTH, bytes.get().to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
    ];
    (headers, Body::from_stream(frames(bytes.get()).map(Ok::<_, Infallible>)))
}

/// The body goes back frame by frame, and so do its trailers where the client takes any.
async fn echo(mut headers: HeaderMap, body: Body) -> impl IntoResponse {
    let mut kept = HeaderMap::new();
    for name in ECHOED {
        kept.extend(headers.remove(&name).map(|value| (name, value)));
    }
    (kept, body)
}

// === impl Chunks, Download ===

impl Default for Chunks {
    fn default() -> Self {
        Self { chunks: Count::of::<3>(), ms: Millis::of::<0>() }
    }
}

impl Default for Download {
    fn default() -> Self {
        Self { bytes: Size::of::<65_536>() }
    }
}

const FRAME: &[u8] = &[b'x'; 16 * 1024];

/// hyper sends trailers over HTTP/1.1 only if the head has named them.
const ECHOED: [HeaderName; 2] = [header::CONTENT_TYPE, header::TRAILER];
