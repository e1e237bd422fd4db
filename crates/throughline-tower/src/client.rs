//! The client's layer.

use std::fmt;
use std::sync::Arc;
use std::task::{self, Poll};

use http::{Request, Response};
use http_body::Body;
use throughline_core::{Context, Instrumenter, Tracer};
use tower_layer::Layer;
use tower_service::Service;

use crate::attributes::{ClientRequest, HttpClientOperation};
use crate::egress::Egress;
use crate::exchange::{Exchange, Phase, Side};
use crate::hooks::{Hooks, inner_service};
use crate::{RequestView, ResponseBody, ResponseFuture, authority, resend};

/// [`Layer`] that makes one CLIENT span per request and tells the other side of it.
///
/// ```
/// # let (tracer, _) = throughline_testing::tracer();
/// use throughline_tower::HttpClientLayer;
///
/// let layer = HttpClientLayer::new(&tracer).baggage_to(["inventory", "*.shop.internal"]);
/// # let _ = layer;
/// ```
///
/// Each request that passes is a span of its own: inside a retry there is one per attempt, and with a
/// [`ResendLayer`](crate::ResendLayer) outside the retry they are numbered. The request's own trace headers are
/// replaced. Ids and tracestate go to every host, baggage to those that were named.
#[derive(Clone, Debug)]
pub struct HttpClientLayer {
    shared: Arc<Shared>,
}

/// [`Service`] made by [`HttpClientLayer`].
#[derive(Clone, Debug)]
pub struct HttpClient<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// When a client's span ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum EndAt {
    /// At the response's head, as the semantic conventions have it.
    #[default]
    Head,
    /// At the end of the response's body: the span covers the download.
    Body,
}

#[derive(Clone)]
struct Shared {
    instrumenter: Instrumenter<HttpClientOperation>,
    egress: Egress,
    hooks: Hooks,
    side: Side,
    https: bool,
}

// === impl HttpClientLayer ===

impl HttpClientLayer {
    /// Makes spans with this tracer.
    #[must_use]
    pub fn new(tracer: &Tracer) -> Self {
        let instrumenter = Instrumenter::new(tracer, HttpClientOperation);
        let side = Side::ClientHead;
        Self {
            shared: Arc::new(Shared {
                instrumenter,
                egress: Egress::default(),
                hooks: Hooks::default(),
                side,
                https: false,
            }),
        }
    }

    /// Names the hosts that may read the context's baggage: exactly (`inventory`, `127.0.0.1`) or by suffix
    /// (`*.shop.internal`). Without it no host does. Scheme and port are no part of a name, `*` alone names nobody, and
    /// a second call replaces the first.
    #[must_use]
    pub fn baggage_to<H: AsRef<str>>(self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.with(|shared| shared.egress = Egress::new(hosts))
    }

    /// Makes no span for the requests that the predicate holds for. The context is propagated all the same.
    #[must_use]
    pub fn skip(self, predicate: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.with(|shared| shared.hooks.set_skip(predicate))
    }

    /// The connections are TLS: requests in origin form, such as those of hyper's `SendRequest`, are `https` and port 443.
    #[must_use]
    pub fn https(self) -> Self {
        self.with(|shared| shared.https = true)
    }

    /// When the span ends; by default at the response's head.
    #[must_use]
    pub fn end_at(self, end: EndAt) -> Self {
        self.with(|shared| {
            shared.side = match end {
                EndAt::Head => Side::ClientHead,
                EndAt::Body => Side::ClientBody,
            };
        })
    }

    /// What `error.type` errors of the type `E` get; nothing for what throughline calls them. Low cardinality, please.
    ///
    /// `E` is the service's or the body's error as it is, `BoxError` where they are boxed. Types of their own each may be
    /// set, one call after the other; of two calls for the same type the later is asked first.
    #[must_use]
    pub fn error_type<E: 'static>(self, name: impl Fn(&E) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        self.with(|shared| shared.hooks.set_error_type(name))
    }

    /// Wraps a service: [`Layer::layer`] without the trait in scope.
    pub fn layer<S>(&self, inner: S) -> HttpClient<S> {
        HttpClient { inner, shared: Arc::clone(&self.shared) }
    }

    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl<S> Layer<S> for HttpClientLayer {
    type Service = HttpClient<S>;

    fn layer(&self, inner: S) -> HttpClient<S> {
        self.layer(inner)
    }
}

// === impl HttpClient ===

inner_service!(HttpClient);

impl<S, B, R> Service<Request<B>> for HttpClient<S>
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
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(mut exchange) = self.shared.begin(&mut request) else {
            return ResponseFuture::untraced(self.inner.call(request));
        };
        let inner = exchange.run(Phase::Head, || self.inner.call(request));
        ResponseFuture::new(inner, exchange)
    }
}

// === impl Shared ===

impl Shared {
    #[inline]
    fn begin<B>(&self, request: &mut Request<B>) -> Option<Exchange> {
        let view = RequestView::new(request);
        if self.hooks.skips(&view, self.instrumenter.tracer()) || !self.instrumenter.should_start_here() {
            self.pass_on(request);
            return None;
        }
        let span =
            self.instrumenter.start(&ClientRequest { request: view, resend_count: resend::next(), https: self.https });
        let exchange = Exchange::new(self.side, span, view.method(), self.hooks.error_type());
        self.inject(&exchange.context, request);
        Some(exchange)
    }

    #[inline]
    fn inject<B>(&self, context: &Context, request: &mut Request<B>) {
        let tracer = self.instrumenter.tracer();
        let allow = match request.uri().authority() {
            Some(authority) => self.egress.allow(authority::split(authority.as_str().as_bytes()).0, context, tracer),
            None => {
                let host = request.headers().get(http::header::HOST).map(http::HeaderValue::as_bytes);
                self.egress.allow(authority::split(host.unwrap_or_default()).0, context, tracer)
            }
        };
        tracer.propagator().inject_headers(context, allow, request.headers_mut());
    }

    /// No span; the context is propagated all the same, unless nothing at all is to be instrumented here.
    #[cold]
    fn pass_on<B>(&self, request: &mut Request<B>) {
        let context = Context::current();
        if !context.is_instrumentation_suppressed() && !context.is_root() {
            self.inject(&context, request);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tracer", self.instrumenter.tracer()).finish_non_exhaustive()
    }
}
