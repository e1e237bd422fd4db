//! The server's layer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{self, Poll};

use http::{Extensions, Method, Request, Response, header};
use http_body::Body;
use throughline_core::propagation::carrier::HeaderScan;
use throughline_core::{Context, Instrumenter, Tracer};
use tower_layer::Layer;
use tower_service::Service;

use crate::attributes::{HttpServerOperation, ServerRequest};
use crate::exchange::{Exchange, Phase, ResponseOptions, Side};
use crate::hooks::{Skip, common_settings, inner_service};
use crate::ingress::{Border, Ingress};
use crate::{RequestView, ResponseBody, ResponseFuture};

/// [`Layer`] that makes one SERVER span per request.
///
/// ```
/// # let (tracer, _) = throughline_testing::tracer();
/// use throughline_tower::HttpServerLayer;
///
/// let layer = HttpServerLayer::new(&tracer).public_edge().skip(|request| request.path() == "/healthz");
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
    skip: Skip,
    /// Who is not trusted; by default everybody is.
    border: Option<Border>,
    response: Option<Arc<ResponseOptions>>,
    upgrades: bool,
}

// === impl HttpServerLayer ===

impl HttpServerLayer {
    /// Makes spans with this tracer.
    #[must_use]
    pub fn new(tracer: &Tracer) -> Self {
        let instrumenter = Instrumenter::new(tracer, HttpServerOperation::default());
        let shared = Shared { instrumenter, skip: Skip::default(), border: None, response: None, upgrades: false };
        Self { shared: Arc::new(shared) }
    }

    /// Where the route template is found, such as `/users/{id}`; the path itself never becomes a name.
    ///
    /// What it finds counts as [`RouteSource::Server`](crate::RouteSource::Server): a layer or a handler further in may know
    /// better. If the first request that is answered well has no route, that is said once.
    #[must_use]
    pub fn route(self, source: for<'a> fn(&'a Extensions) -> Option<&'a str>) -> Self {
        self.with_operation(|operation| operation.route = Some(source))
    }

    /// Where the socket's other end is found; by default in an extension of the type [`Peer`](crate::Peer).
    #[must_use]
    pub fn peer(self, source: fn(&Extensions) -> Option<SocketAddr>) -> Self {
        self.with_operation(|operation| operation.peer = source)
    }

    /// The connections are TLS: requests in origin form get `url.scheme` = `https`.
    #[must_use]
    pub fn https(self) -> Self {
        self.with_operation(|operation| operation.https = true)
    }

    /// So many proxies stand before the server, and what they say in `Forwarded` (RFC 7239) or `X-Forwarded-For`, `-Host`
    /// and `-Proto` is believed: `client.address`, `server.address`, `server.port` and `url.scheme` are those of the n-th
    /// entry from the right, which the outermost of them has written. By default 0: nothing is believed, since anybody may
    /// send these headers.
    ///
    /// The proxies must overwrite or remove those of the fields that they do not append to: one that appends to
    /// `X-Forwarded-For` and passes a stranger's `Forwarded` on makes the stranger's word its own.
    #[must_use]
    pub fn trusted_proxies(self, count: usize) -> Self {
        self.with_operation(|operation| operation.trusted_proxies = count)
    }

    /// What callers are believed; by default [`Ingress::Trust`].
    #[must_use]
    pub fn ingress(self, policy: Ingress) -> Self {
        self.with_border(|border| border.policy = policy)
    }

    /// What the caller of each request is believed, by the look of it: its peer, a header that a gateway sets, its path.
    ///
    /// It takes the place of [`ingress`](Self::ingress). Where it panics the caller is a stranger:
    /// [`Ingress::Link`], or [`Ingress::Ignore`] if that is what `ingress` says.
    #[must_use]
    pub fn ingress_by(self, policy: impl Fn(&RequestView<'_>) -> Ingress + Send + Sync + 'static) -> Self {
        self.with_border(|border| border.set_predicate(policy))
    }

    /// Callers are strangers: [`Ingress::Link`]. Their ids, their wish to be recorded and their baggage count for nothing;
    /// each request begins a trace of its own that links to what they sent.
    #[must_use]
    pub fn public_edge(self) -> Self {
        self.ingress(Ingress::Link)
    }

    /// Callers may force so many traces per second to be recorded, with the burst of one second; beyond that the sampler
    /// decides as if they had said nothing. By default there is no limit. What was limited is counted in
    /// [`Stats::forced_sampling_limited`](throughline_core::Stats::forced_sampling_limited).
    ///
    /// With the sampler `ParentBased` over `AlwaysOn` everything is recorded anyway: this is for services that sample.
    #[must_use]
    pub fn forced_sampling_limit(self, per_second: u32) -> Self {
        self.with_border(|border| border.set_limit(per_second))
    }

    /// Answers with the header `traceresponse`, which names the span
    /// ([Trace Context level 3, draft](https://w3c.github.io/trace-context/#traceresponse-header)). By default nothing of a
    /// trace leaves by way of a response.
    #[must_use]
    pub fn trace_response(self) -> Self {
        self.with_response(|options| options.trace_response = true)
    }

    /// Writes an event `http.response.first_byte` when the first byte of a body is handed on: for streams, whose duration
    /// says nothing of how long somebody waited.
    #[must_use]
    pub fn first_byte_event(self) -> Self {
        self.with_response(|options| options.first_byte = true)
    }

    /// Lets handlers keep the span of an upgraded connection open: [`UpgradeSpan`](crate::UpgradeSpan). By default it ends
    /// with the answer.
    #[must_use]
    pub fn upgrades(self) -> Self {
        self.with(|shared| shared.upgrades = true)
    }

    common_settings!();

    /// Wraps a service: [`Layer::layer`] without the trait in scope.
    pub fn layer<S>(&self, inner: S) -> HttpServer<S> {
        HttpServer { inner, shared: Arc::clone(&self.shared) }
    }

    fn with_operation(self, change: impl FnOnce(&mut HttpServerOperation)) -> Self {
        self.with(|shared| change(shared.instrumenter.operation_mut()))
    }

    fn with_border(self, change: impl FnOnce(&mut Border)) -> Self {
        self.with(|shared| change(shared.border.get_or_insert_default()))
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
        let tracer = self.instrumenter.tracer();
        if self.skip.skips(&request, tracer) || !self.instrumenter.should_start_here() {
            return self.pass_on(request);
        }
        let scan = HeaderScan::new(request.headers());
        let mut parent = tracer.propagator().extract_scanned(&scan);
        let link = match &self.border {
            None => None,
            Some(border) => border.admit(&request, &mut parent, tracer),
        };
        let described = ServerRequest::new(request, &scan, link, self.instrumenter.operation());
        let span = self.instrumenter.start_remote(&parent, &described);
        let mut exchange = Exchange::new(Side::Server, span, request.method(), self.response.as_ref());
        exchange.unrouted = described.is_unrouted();
        if self.upgrades && asks_for_upgrade(&request) {
            exchange.offer_upgrade();
        }
        Some(exchange)
    }

    /// No span; what came over the wire is propagated all the same, unless an outer layer has seen to it.
    #[cold]
    fn pass_on(&self, request: RequestView<'_>) -> Option<Exchange> {
        let current = Context::current();
        if current.is_suppressed(throughline_core::SemanticKey::HttpServer) {
            return None;
        }
        let scan = HeaderScan::new(request.headers());
        let tracer = self.instrumenter.tracer();
        let mut parent = tracer.propagator().extract_scanned(&scan);
        if let Some(border) = &self.border {
            // Whoever is not trusted with a span is not trusted without one.
            border.admit(&request, &mut parent, tracer);
        }
        let exchange = Exchange::without_span(Side::Server, parent.to_context(&current));
        (!exchange.is_idle()).then_some(exchange)
    }
}

/// HTTP/1.1 upgrades (RFC 9110 §7.8), and CONNECT, extended or not (RFC 8441).
fn asks_for_upgrade(request: &RequestView<'_>) -> bool {
    request.method() == Method::CONNECT || request.headers().contains_key(header::UPGRADE)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tracer", self.instrumenter.tracer()).finish_non_exhaustive()
    }
}
