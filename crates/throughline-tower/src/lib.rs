//! Tower layers that trace HTTP, on both ends of the wire.
//!
//! [`HttpServerLayer`] makes one SERVER span per request, below the parent that the request names; [`HttpClientLayer`]
//! makes one CLIENT span per request and tells the other side of it. They take any `Service<http::Request<_>>`: axum,
//! hyper behind `TowerToHyperService`, hyper-util's client, a `ServiceBuilder` stack.
//!
//! ```
//! use std::convert::Infallible;
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use throughline_testing::{MemorySink, tracer};
//! use throughline_tower::HttpServerLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # tokio_test::block_on(async {
//! let (tracer, spans) = tracer();
//! let service = ServiceBuilder::new().layer(HttpServerLayer::new(&tracer)).service(service_fn(
//!     |_: Request<Empty<&[u8]>>| async { Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new())) },
//! ));
//! service.oneshot(Request::get("/healthz").body(Empty::new())?).await?;
//! assert_eq!(spans.spans()[0].name, "GET");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Settings
//!
//! | | server | client |
//! |---|---|---|
//! | whom to trust | [`public_edge`](HttpServerLayer::public_edge), [`ingress`](HttpServerLayer::ingress), [`trusted_proxies`](HttpServerLayer::trusted_proxies) | [`baggage_to`](HttpClientLayer::baggage_to), [`egress`](HttpClientLayer::egress) |
//! | names | [`route`](HttpServerLayer::route), [`set_route`] | [`url_templates`](HttpClientLayer::url_templates), [`UrlTemplate`], [`peer_services`](HttpClientLayer::peer_services) |
//! | attributes of both | `known_methods`, `redact`, `capture_request_headers`, `capture_response_headers`, `body_sizes`, `error_type` | |
//! | requests without a span | `skip`: their context is propagated all the same | the same |
//! | ends | [`upgrades`](HttpServerLayer::upgrades), [`first_byte_event`](HttpServerLayer::first_byte_event) | [`end_at`](HttpClientLayer::end_at) |
//! | queues and retries | | [`CaptureLayer`], [`ResendLayer`] |
//! | metrics | [`HttpMetrics`] and [`ActiveRequests`], as listeners of the tracer | |
//!
//! # When a span ends
//!
//! | side | completed or failed | cancelled |
//! |---|---|---|
//! | server | at the end of the response's body: its last frame, trailers, an error, the declared length, or at once where there can be no body (HEAD, 1xx, 204, 304, 2xx to CONNECT) | the future or the body is dropped before that: an error with `error.type` = `cancelled` |
//! | client | at the response's head, or at its body's end ([`HttpClientLayer::end_at`]) | the future is dropped before that: not an error |
//!
//! A body that ends before its declared length has failed (`incomplete_body`). A handler that panics ends its span as `panicked` while the panic passes through. A connection that breaks after
//! the last frame was handed to the server cannot be seen from here.
//!
//! # Guarantees
//!
//! * The error type, readiness, `size_hint`, `is_end_stream` and trailers are the inner service's; no future and no body
//!   is boxed; the inner service is not cloned.
//! * Until the span ends the context is current in `call`, in every poll of the future and of the body, and while they are
//!   dropped; a body that says it has ended is dropped then and there.
//! * A span ends exactly once, however many clones of its context live on.
//! * Unsampled requests allocate nothing in steady state. Their body is passed on without its context only if its length
//!   is known exactly.
//! * Credentials never become attributes; query values are redacted. `Forwarded` and `X-Forwarded-*` are believed for a stated
//!   number of proxies ([`HttpServerLayer::trusted_proxies`]), by default for none.
//! * What is not set costs nothing: captured headers, body sizes, egress rules, edge policies and the like are looked at only
//!   where somebody asked for them. A setting that makes no sense is an error when it is set.

mod attributes;
mod authority;
mod body;
mod capture_layer;
mod captured_headers;
mod client;
mod egress;
mod error_type;
mod exchange;
mod forwarded;
mod future;
mod hooks;
mod host;
mod ingress;
mod methods;
mod metrics;
mod peer;
mod peer_service;
mod request;
mod resend;
mod route;
mod scratch;
mod server;
mod template;
mod trace_response;
mod upgrade;
mod url;

pub use self::body::ResponseBody;
#[doc(hidden)]
pub use self::body::Watch;
pub use self::capture_layer::{Capture, CaptureLayer};
#[doc(hidden)]
pub use self::client::Call;
pub use self::client::{EndAt, HttpClient, HttpClientLayer};
pub use self::egress::InvalidHost;
#[doc(hidden)]
pub use self::error_type::known_error;
#[doc(hidden)]
pub use self::exchange::{Exchange, Phase};
pub use self::future::ResponseFuture;
pub use self::ingress::Ingress;
pub use self::metrics::{ActiveRequests, HttpMetrics, HttpMetricsBuilder};
pub use self::peer::Peer;
pub use self::peer_service::InvalidPeer;
pub use self::request::RequestView;
pub use self::resend::{Resend, ResendFuture, ResendLayer};
pub use self::route::{RouteSource, set_route};
pub use self::server::{HttpServer, HttpServerLayer};
pub use self::template::{InvalidTemplate, UrlTemplate};
pub use self::upgrade::{Held, UpgradeSpan};
pub use self::url::Redact;
