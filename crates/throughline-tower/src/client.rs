//! The client's layer.

use std::fmt;
use std::sync::Arc;
use std::task::{self, Poll};

use http::{Request, Response};
use http_body::Body;
use throughline_core::propagation::Allow;
use throughline_core::{Context, Instrumenter, Span, Tracer};
use tower_layer::Layer;
use tower_service::Service;

use crate::attributes::{ClientRequest, HttpClientOperation};
use crate::capture_layer::Captured;
use crate::egress::Egress;
use crate::exchange::{Exchange, Phase, ResponseOptions, Side};
use crate::hooks::{Skip, common_settings, inner_service};
use crate::peer_service::{InvalidPeer, PeerServices};
use crate::template::{InvalidTemplate, Templates};
use crate::{InvalidHost, RequestView, ResponseBody, ResponseFuture, UrlTemplate, resend};

/// [`Layer`] that makes one CLIENT span per request and tells the other side of it.
///
/// ```
/// use throughline_tower::HttpClientLayer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (tracer, _) = throughline_testing::tracer();
/// let layer = HttpClientLayer::new(&tracer).baggage_to(["inventory", "*.shop.internal"])?;
/// # Ok(()) }
/// ```
///
/// Each request that passes is a span of its own: inside a retry there is one per attempt, and with a
/// [`ResendLayer`](crate::ResendLayer) outside the retry they are numbered. The request's own trace headers are
/// replaced. Ids and tracestate go to every host, baggage to those that were named. It belongs inside whatever follows
/// redirects, such as `tower_http::follow_redirect`: outside, the first host's headers go wherever that is sent.
///
/// The parent is the current context when the request is made, or the one that a [`CaptureLayer`](crate::CaptureLayer) has
/// put into its extensions.
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

/// What an adapter knows of a request that `http::Request` cannot hold.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The URL as the application wrote it.
    pub url: Option<&'a str>,
    /// What may be told at most, whatever the policy of the host.
    pub limit: Allow,
}

#[derive(Clone)]
struct Shared {
    instrumenter: Instrumenter<HttpClientOperation>,
    egress: Egress,
    templates: Option<Templates>,
    skip: Skip,
    response: Option<Arc<ResponseOptions>>,
    side: Side,
}

// === impl HttpClientLayer ===

impl HttpClientLayer {
    /// Makes spans with this tracer.
    #[must_use]
    pub fn new(tracer: &Tracer) -> Self {
        let instrumenter = Instrumenter::new(tracer, HttpClientOperation::default());
        Self {
            shared: Arc::new(Shared {
                instrumenter,
                egress: Egress::default(),
                templates: None,
                skip: Skip::default(),
                response: None,
                side: Side::ClientHead,
            }),
        }
    }

    /// Names the hosts that may read the context's baggage: [`egress`](Self::egress) with [`Allow::ALL`]. Without it no host
    /// does.
    ///
    /// # Errors
    ///
    /// A name that is none.
    pub fn baggage_to<H: AsRef<str>>(self, hosts: impl IntoIterator<Item = H>) -> Result<Self, InvalidHost> {
        self.egress(hosts, Allow::ALL)
    }

    /// What these hosts are told: exactly (`inventory`, `127.0.0.1`) or by suffix (`*.shop.internal`, which is every host
    /// below it and not itself), on any port or on one (`inventory:8080`).
    ///
    /// An exact name beats a suffix, a longer suffix a shorter one, and of the same name the later call holds. Hosts that
    /// nobody names are told ids and tracestate, unless [`egress_otherwise`](Self::egress_otherwise) says so.
    ///
    /// # Errors
    ///
    /// A name that is none.
    pub fn egress<H: AsRef<str>>(self, hosts: impl IntoIterator<Item = H>, allow: Allow) -> Result<Self, InvalidHost> {
        let egress = self.shared.egress.clone().rule(hosts, allow)?;
        Ok(self.with(|shared| shared.egress = egress))
    }

    /// What every host is told that is not named; by default ids and tracestate ([`Allow::TRACE`]).
    #[must_use]
    pub fn egress_otherwise(self, allow: Allow) -> Self {
        self.with(|shared| shared.egress = std::mem::take(&mut shared.egress).otherwise(allow))
    }

    /// Path patterns that name spans and become `url.template`: `/users/{id}`, `/files/{*path}`; the first that matches. A
    /// [`UrlTemplate`] among a request's extensions goes before them. By default spans are named by their method alone.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn url_templates<T: AsRef<str>>(self, patterns: impl IntoIterator<Item = T>) -> Result<Self, InvalidTemplate> {
        let templates = Templates::new(patterns)?;
        Ok(self.with(|shared| shared.templates = Some(templates)))
    }

    /// What the services behind `host[:port][/path]` are called: `service.peer.name`. The most specific entry counts.
    ///
    /// # Errors
    ///
    /// An entry that is none.
    pub fn peer_services<P: AsRef<str>, N: Into<String>>(
        self,
        services: impl IntoIterator<Item = (P, N)>,
    ) -> Result<Self, InvalidPeer> {
        let services = PeerServices::new(services)?;
        Ok(self.with(|shared| shared.instrumenter.operation_mut().peer_services = Some(services)))
    }

    /// The connections are TLS: requests in origin form, such as those of hyper's `SendRequest`, are `https` and port 443.
    #[must_use]
    pub fn https(self) -> Self {
        self.with(|shared| shared.instrumenter.operation_mut().https = true)
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

    common_settings!();

    /// Wraps a service: [`Layer::layer`] without the trait in scope.
    pub fn layer<S>(&self, inner: S) -> HttpClient<S> {
        HttpClient { inner, shared: Arc::clone(&self.shared) }
    }

    /// Starts the span of a request and tells the other side of it: for adapters to clients that are no
    /// `Service<http::Request<_>>`.
    #[doc(hidden)]
    pub fn begin<B>(&self, request: &mut Request<B>, call: Call<'_>) -> Option<Exchange> {
        self.shared.begin(request, call)
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
        let Some(mut exchange) = self.shared.begin(&mut request, Call { url: None, limit: Allow::ALL }) else {
            return ResponseFuture::untraced(self.inner.call(request));
        };
        let inner = exchange.run(Phase::Head, || self.inner.call(request));
        ResponseFuture::new(inner, exchange)
    }
}

// === impl Shared ===

impl Shared {
    #[inline]
    fn begin<B>(&self, request: &mut Request<B>, call: Call<'_>) -> Option<Exchange> {
        let view = RequestView::new(request);
        let captured = view.extensions().get::<Captured>();
        let should_start = match captured {
            None => self.instrumenter.should_start_here(),
            Some(Captured(context)) => self.instrumenter.should_start(context),
        };
        if self.skip.skips(&view, self.instrumenter.tracer()) || !should_start {
            self.pass_on(request, call.limit);
            return None;
        }
        let target = self.instrumenter.operation().target(&view);
        let span = self.start(view, target, captured, call.url);
        let exchange = Exchange::new(self.side, span, view.method(), self.response.as_ref());
        let allow = self.allow(target, call.limit, &exchange.context);
        if captured.is_some() {
            // From here on the span's own context is the current one: a layer further in must not go back behind it.
            request.extensions_mut().remove::<Captured>();
        }
        self.inject(&exchange.context, allow, request);
        Some(exchange)
    }

    #[inline]
    fn start<'a>(
        &self,
        request: RequestView<'a>,
        target: (&'a [u8], u16),
        captured: Option<&Captured>,
        url: Option<&'a str>,
    ) -> Span {
        let template = match request.extensions().get::<UrlTemplate>() {
            Some(template) => Some(template.as_str()).filter(|template| !template.is_empty()),
            None => self.templates.as_ref().and_then(|templates| templates.find(request.path())),
        };
        let describe = |resend_count| ClientRequest { request, url, template, target, resend_count };
        match captured {
            None => self.instrumenter.start(&describe(resend::next())),
            Some(Captured(context)) => self.instrumenter.start_in(context, &describe(resend::next_in(context))),
        }
    }

    #[inline]
    fn allow(&self, (host, port): (&[u8], u16), limit: Allow, context: &Context) -> Allow {
        self.egress.allow(host, Some(port), limit, context, self.instrumenter.tracer())
    }

    #[inline]
    fn inject<B>(&self, context: &Context, allow: Allow, request: &mut Request<B>) {
        self.instrumenter.tracer().propagator().inject_headers(context, allow, request.headers_mut());
    }

    /// No span; the context is propagated all the same, unless nothing at all is to be instrumented here.
    #[cold]
    fn pass_on<B>(&self, request: &mut Request<B>, limit: Allow) {
        let context = match request.extensions().get::<Captured>() {
            None => Context::current(),
            Some(Captured(context)) => context.clone(),
        };
        if !context.is_instrumentation_suppressed() && !context.is_root() {
            let target = self.instrumenter.operation().target(&RequestView::new(request));
            let allow = self.allow(target, limit, &context);
            self.inject(&context, allow, request);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tracer", self.instrumenter.tracer()).finish_non_exhaustive()
    }
}
