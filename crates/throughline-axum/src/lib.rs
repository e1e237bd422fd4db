//! throughline for axum: routes, peers, extractors, and the cheapest server layer.
//!
//! ```
//! use axum::{Router, extract::Path, routing::get};
//! use throughline_axum::{CurrentSpan, HttpServerLayer};
//!
//! async fn order(span: CurrentSpan, Path(id): Path<u32>) -> String {
//!     span.set("order.id", id);
//!     format!("order {id}")
//! }
//!
//! # let (tracer, _) = throughline_testing::tracer();
//! let app: Router = Router::new().route("/orders/{id}", get(order)).layer(HttpServerLayer::new(&tracer));
//! # let _ = app;
//! ```
//!
//! Spans are named by the matched route, `GET /orders/{id}`. The peer's address is recorded if the server was started
//! with `into_make_service_with_connect_info::<SocketAddr>()`.
//!
//! # Guarantees
//!
//! Those of [`throughline_tower`], and: a response body goes out as axum's own [`Body`](axum::body::Body), wrapped only if there
//! is something to watch. axum boxes every body of another type, which costs an allocation per request.

mod extract;
mod layer;
mod route;
mod sources;

pub use self::extract::{CurrentBaggage, CurrentSpan, CurrentTraceId};
pub use self::layer::{HttpServer, HttpServerLayer, ResponseFuture};
pub use self::route::{RouteLayer, Routed};
pub use self::sources::{matched_path, peer_address};
