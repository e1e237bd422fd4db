//! The server layer with axum's body in and out.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{self, Poll};

use axum::BoxError;
use axum::body::{Body, Bytes};
use http::{Extensions, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use throughline_core::Tracer;
use throughline_tower::{Ingress, Redact, RequestView, ResponseBody};
use tower_layer::Layer;
use tower_service::Service;

use crate::{matched_path, peer_address};

/// [`Layer`] that makes one SERVER span per request of an axum router.
///
/// It is [`throughline_tower::HttpServerLayer`] with axum's sources for route and peer, and with axum's own body.
#[derive(Clone, Debug)]
pub struct HttpServerLayer(throughline_tower::HttpServerLayer);

/// [`Service`] made by [`HttpServerLayer`].
#[derive(Clone, Debug)]
pub struct HttpServer<S>(throughline_tower::HttpServer<S>);

/// The settings that need no word of axum.
macro_rules! settings_of_tower {
    ($($setting:ident($($argument:ident: $type:ty)?);)*) => {$(
        #[doc = concat!("As [`throughline_tower::HttpServerLayer::", stringify!($setting), "`].")]
        #[must_use]
        pub fn $setting(self $(, $argument: $type)?) -> Self {
            Self(self.0.$setting($($argument)?))
        }
    )*};
}

pin_project! {
    /// Response future of [`HttpServer`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: throughline_tower::ResponseFuture<F>,
    }
}

pin_project! {
    /// axum's body, watched. What axum's error wraps has a name, axum's error has none; it is wrapped again further out.
    struct Watched {
        #[pin]
        inner: ResponseBody<Body>,
    }
}

// === impl HttpServerLayer ===

impl HttpServerLayer {
    /// Makes spans with this tracer.
    #[must_use]
    pub fn new(tracer: &Tracer) -> Self {
        Self(throughline_tower::HttpServerLayer::new(tracer).route(matched_path).peer(peer_address))
    }

    /// As [`throughline_tower::HttpServerLayer::route`], in place of axum's [`MatchedPath`](axum::extract::MatchedPath).
    #[must_use]
    pub fn route(self, source: for<'a> fn(&'a Extensions) -> Option<&'a str>) -> Self {
        Self(self.0.route(source))
    }

    /// As [`throughline_tower::HttpServerLayer::peer`], in place of axum's [`ConnectInfo`](axum::extract::ConnectInfo).
    #[must_use]
    pub fn peer(self, source: fn(&Extensions) -> Option<SocketAddr>) -> Self {
        Self(self.0.peer(source))
    }

    /// As [`throughline_tower::HttpServerLayer::error_type`]. A body's error is a [`BoxError`](axum::BoxError): what
    /// [`axum::Error`] wraps.
    #[must_use]
    pub fn error_type<E: 'static>(self, name: impl Fn(&E) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        Self(self.0.error_type(name))
    }

    settings_of_tower! {
        skip(predicate: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static);
        https();
        trusted_proxies(count: usize);
        ingress(policy: Ingress);
        ingress_by(policy: impl Fn(&RequestView<'_>) -> Ingress + Send + Sync + 'static);
        public_edge();
        forced_sampling_limit(per_second: u32);
        trace_response();
        first_byte_event();
        upgrades();
        known_methods(methods: impl IntoIterator<Item = impl AsRef<str>>);
        redact(redact: Redact);
        capture_request_headers(names: impl IntoIterator<Item = impl AsRef<str>>);
        capture_response_headers(names: impl IntoIterator<Item = impl AsRef<str>>);
        body_sizes();
    }

    /// Wraps a service: [`Layer::layer`] without the trait in scope.
    pub fn layer<S>(&self, inner: S) -> HttpServer<S> {
        HttpServer(self.0.layer(inner))
    }
}

impl From<throughline_tower::HttpServerLayer> for HttpServerLayer {
    /// The layer as it is set up, with axum's own body.
    fn from(layer: throughline_tower::HttpServerLayer) -> Self {
        Self(layer)
    }
}

impl<S> Layer<S> for HttpServerLayer {
    type Service = HttpServer<S>;

    fn layer(&self, inner: S) -> HttpServer<S> {
        self.layer(inner)
    }
}

// === impl HttpServer ===

impl<S, B> Service<Request<B>> for HttpServer<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture { inner: self.0.call(request) }
    }
}

// === impl ResponseFuture ===

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
    E: 'static,
{
    type Output = Result<Response<Body>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let response = self.project().inner.poll_watched(cx);
        response.map_ok(|(response, watch)| match watch {
            None => response,
            watch @ Some(_) => response.map(|inner| Body::new(Watched { inner: ResponseBody::watched(inner, watch) })),
        })
    }
}

// === impl Watched ===

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().inner.poll_frame_with(cx, axum::Error::into_inner)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
