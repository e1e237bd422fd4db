//! What goes wrong in servers.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use super::streams::frames;
use crate::app::Shared;
use crate::bounds::{Millis, Size};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/panic", get(panic)).route("/slow", get(slow)).route("/body-error", get(body_error))
}

#[derive(Deserialize)]
#[serde(default)]
struct Slow {
    ms: Millis,
}

#[derive(Deserialize)]
#[serde(default)]
struct BodyError {
    after: Size,
}

/// Nobody catches it: the client sees its connection or stream break, the span has panicked, and neither claims a status.
async fn panic() -> String {
    // Unwinds as `panic!` does, but without a backtrace on the standard error, where nobody may be reading.
    std::panic::resume_unwind(Box::new("this route panics on purpose"))
}

async fn slow(Query(Slow { ms }): Query<Slow>) -> String {
    tokio::time::sleep(Duration::from_millis(ms.get())).await;
    format!("{} ms\n", ms.get())
}

async fn body_error(Query(BodyError { after }): Query<BodyError>) -> Body {
    let failure = stream::once(async {
        // What hyper has not written by now it will not write: the client is to see what came before the failure.
        tokio::time::sleep(TIME_TO_WRITE).await;
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "this body fails on purpose"))
    });
    Body::from_stream(frames(after.get()).map(Ok).chain(failure))
}

// === impl Slow, BodyError ===

impl Default for Slow {
    fn default() -> Self {
        Self { ms: Millis::of::<100>() }
    }
}

impl Default for BodyError {
    fn default() -> Self {
        Self { after: Size::of::<1024>() }
    }
}

const TIME_TO_WRITE: Duration = Duration::from_millis(20);
