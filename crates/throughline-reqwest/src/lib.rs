//! reqwest's client, traced by throughline: one CLIENT span per request, and the context told to the other side.
//!
//! ```
//! # async fn demo(tracer: throughline_core::Tracer) -> Result<(), Box<dyn std::error::Error>> {
//! use throughline_reqwest::HttpClientLayer;
//!
//! let client = HttpClientLayer::new(&tracer).layer(reqwest::Client::new());
//! let stock = client.get("http://inventory.internal/stock/7").send().await?.text().await?;
//! # Ok(()) }
//! ```
//!
//! [`HttpClient`] has the methods of [`reqwest::Client`], and [`RequestBuilder`] those of reqwest's, so a traced client
//! takes the place of a bare one by its type alone. Both are tower's as well: [`HttpClientLayer`] wraps any
//! `Service<reqwest::Request, Response = reqwest::Response>`, and [`HttpClient`] is one.
//!
//! Everything that a [`throughline_tower::HttpClientLayer`] can be told it is told first, and then made into this layer:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (tracer, _) = throughline_testing::tracer();
//! use throughline_reqwest::HttpClientLayer;
//!
//! let layer = throughline_tower::HttpClientLayer::new(&tracer).url_templates(["/stock/{id}"])?;
//! let client = HttpClientLayer::from(layer).layer(reqwest::Client::new());
//! # let _ = client;
//! # Ok(()) }
//! ```
//!
//! # What a span is
//!
//! One request that is executed, as the application sees it: from the call to the response's head. `url.full` is the URL
//! that was asked for, with its fragment, redacted; status, protocol and peer are those of the last response.
//!
//! reqwest follows redirects and repeats refused requests inside. None of these is a span of its own, and all of them
//! carry the same headers: ids and tracestate reach every host on the way, whatever the egress policy says of it. Baggage
//! is withheld altogether, unless the layer is told that
//! [redirects stay on their host](HttpClientLayer::redirects_stay_on_host).
//!
//! | not seen | because |
//! |---|---|
//! | the end of the body | the response is reqwest's own: `end_at(Body)` has no effect, nor has `first_byte_event` |
//! | a read timeout, or another failure, after the head | the span has ended |
//! | headers that the client adds by default | reqwest adds them inside |
//! | a URL that cannot be parsed | there is no request; [`RequestBuilder::send`] fails without a span |
//!
//! # Guarantees
//!
//! * Errors, readiness and responses are the inner service's; no future is boxed.
//! * The context is current in `call`, in every poll of the future, and while it is dropped.
//! * A future that is dropped ends its span as cancelled, which is not an error.
//!
//! No TLS backend is chosen here: `reqwest` comes without default features, and the application names those it wants.

mod client;
mod error_type;
mod future;
mod head;
mod layer;
mod request_builder;

pub use self::client::HttpClient;
pub use self::future::ResponseFuture;
pub use self::layer::HttpClientLayer;
pub use self::request_builder::RequestBuilder;

/// The README's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
