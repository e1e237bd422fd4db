//! The server's layer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{self, Poll};

use http::{Extensions, Request, Response};
use http_body::Body;
use throughline_core::propagation::carrier::HeaderScan;
use throughline_core::{Context, Instrumenter, Tracer};
use tower_layer::Layer;
use tower_service::Service;

use crate::attributes::{HttpServerOperation, ServerRequest, Sources};
use crate::exchange::{Exchange, Phase, Side};
use crate::hooks::{Hooks, inner_service};
use crate::{RequestView, ResponseBody, ResponseFuture};

/// [`Layer`] that makes one SERVER span per request.
///
/// ```
/// # let (tracer, _) = throughline_testing::tracer();
/// use throughline_tower::HttpServerLayer;
///
/// let layer = HttpServerLayer::new(&tracer).skip(|request| request.path() == "/healthz");
/// # let _ = layer;
/// ```
///
/// The parent is the one that the request's headers name, else the current context. Put it outside everything that a
/// span should cover, and inside whatever makes a body of its own out of ours: a body that an outer layer replaces is
/// dropped before its end, which is a cancellation.
#[derive(Clone, Debug)]
pub struct HttpServerLayer {
    shared: Arc<Shared>,
}

/// [`Service`] made by [`HttpServerLayer`].
#[derive(Clone, Debug)]
pub struct HttpServer<S> {
    inner: S,
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    instrumenter: Instrumenter<HttpServerOperation>,
    sources: Sources,
    hooks: Hooks,
}

// === impl HttpServerLayer ===

impl HttpServerLayer {
    /// Makes spans with this tracer.
    #[must_use]
    pub fn new(tracer: &Tracer) -> Self {
        let instrumenter = Instrumenter::new(tracer, HttpServerOperation);
        Self { shared: Arc::new(Shared { instrumenter, sources: Sources::default(), hooks: Hooks::default() }) }
    }

    /// Makes no span for the requests that the predicate holds for. Their context is propagated all the same.
    ///
    /// The predicate is asked before anything is parsed.
    #[must_use]
    pub fn skip(self, predicate: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.with(|shared| shared.hooks.set_skip(predicate))
    }

    /// Where the route template is found, such as `/users/{id}`; the path itself never becomes a name.
    #[must_use]
    pub fn route(self, source: for<'a> fn(&'a Extensions) -> Option<&'a str>) -> Self {
        self.with(|shared| shared.sources.route = Some(source))
    }

    /// Where the socket's other end is found.
    #[must_use]
    pub fn peer(self, source: fn(&Extensions) -> Option<SocketAddr>) -> Self {
        self.with(|shared| shared.sources.peer = Some(source))
    }

    /// What `error.type` errors of the type `E` get; nothing for what throughline calls them. Low cardinality, please.
    ///
    /// `E` is the service's or the body's error as it is, `BoxError` where they are boxed. Types of their own each may be
    /// set, one call after the other; of two calls for the same type the later is asked first.
    #[must_use]
    pub fn error_type<E: 'static>(self, name: impl Fn(&E) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        self.with(|shared| shared.hooks.set_error_type(name))
    }

    /// The connections are TLS: requests in origin form get `url.scheme` = `https`.
    #[must_use]
    pub fn https(self) -> Self {
        self.with(|shared| shared.sources.https = true)
    }

    /// Wraps a service: [`Layer::layer`] without the trait in scope.
    pub fn layer<S>(&self, inner: S) -> HttpServer<S> {
        HttpServer { inner, shared: Arc::clone(&self.shared) }
    }

    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl<S> Layer<S> for HttpServerLayer {
    type Service = HttpServer<S>;

    fn layer(&self, inner: S) -> HttpServer<S> {
        self.layer(inner)
    }
}

// === impl HttpServer ===

inner_service!(HttpServer);

impl<S, B, R> Service<Request<B>> for HttpServer<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: 'static,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(mut exchange) = self.shared.begin(RequestView::new(&request)) else {
            return ResponseFuture::untraced(self.inner.call(request));
        };
        let inner = exchange.run(Phase::Head, || self.inner.call(request));
        ResponseFuture::new(inner, exchange)
    }
}

// === impl Shared ===

impl Shared {
    #[inline(never)]
    fn begin(&self, request: RequestView<'_>) -> Option<Exchange> {
        if self.hooks.skips(&request, self.instrumenter.tracer()) || !self.instrumenter.should_start_here() {
            return self.pass_on(request);
        }
        let scan = HeaderScan::new(request.headers());
        let parent = self.instrumenter.tracer().propagator().extract_scanned(&scan);
        let span = self.instrumenter.start_remote(&parent, &ServerRequest::new(request, &scan, self.sources));
        Some(Exchange::new(Side::Server, span, request.method(), self.hooks.error_type()))
    }

    /// No span; what came over the wire is propagated all the same, unless an outer layer has seen to it.
    #[cold]
    fn pass_on(&self, request: RequestView<'_>) -> Option<Exchange> {
        let current = Context::current();
        if current.is_suppressed(throughline_core::SemanticKey::HttpServer) {
            return None;
        }
        let scan = HeaderScan::new(request.headers());
        let context = self.instrumenter.tracer().propagator().extract_scanned(&scan).to_context(&current);
        let exchange = Exchange::without_span(Side::Server, context);
        (!exchange.is_idle()).then_some(exchange)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tracer", self.instrumenter.tracer()).finish_non_exhaustive()
    }
}
