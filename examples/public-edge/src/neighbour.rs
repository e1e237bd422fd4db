//! A service that knows nothing of tracing, and says what it was told of it.

use std::io;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use tokio::net::TcpListener;

pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    axum::serve(listener, Router::new().route("/", get(told))).await
}

async fn told(headers: HeaderMap) -> String {
    let told: String = ["traceparent", "tracestate", "baggage"]
        .into_iter()
        .filter_map(|name| Some(format!("  {name}: {}\n", headers.get(name)?.to_str().ok()?)))
        .collect();
    if told.is_empty() { "  nothing\n".to_owned() } else { told }
}
