//! The server: an axum app that is slow, unreliable and has moved things around.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use throughline::Telemetry;
use tokio::net::TcpListener;

pub(crate) async fn serve(listener: TcpListener, telemetry: Telemetry) -> io::Result<()> {
    let app = Router::new()
        .route("/stock/{id}", get("17 on the shelf\n"))
        .route("/stock/{id}/log", get(log))
        .route("/shelf/{id}", get(moved))
        .route("/forklift", get(forklift))
        .route("/attic", get(pending::<()>))
        .layer(telemetry.axum_server())
        .with_state(Arc::new(AtomicU32::new(0)));
    axum::serve(listener, app).await
}

/// A body that takes longer than its head.
async fn log() -> Body {
    Body::from_stream(stream::iter(0..4).then(async |line| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok::<_, Infallible>(format!("{line} taken\n"))
    }))
}

async fn moved(Path(id): Path<String>) -> Redirect {
    Redirect::temporary(&format!("/stock/{id}"))
}

/// Starts at the third attempt.
async fn forklift(State(attempts): State<Arc<AtomicU32>>) -> StatusCode {
    match attempts.fetch_add(1, Ordering::Relaxed) % 3 {
        2 => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
