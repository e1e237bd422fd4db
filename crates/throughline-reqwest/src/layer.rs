//! The layer.

use reqwest::Request;
use throughline_core::Tracer;
use throughline_core::propagation::Allow;
use throughline_tower::{Call, Exchange, Phase, UrlTemplate};
use tower_layer::Layer;
use tower_service::Service;

use crate::{HttpClient, ResponseFuture, head};

/// [`Layer`] that makes one CLIENT span per request of a [`reqwest::Client`] and tells the other side of it.
///
/// It is made [`new`](Self::new), or [from](Self::from) a [`throughline_tower::HttpClientLayer`] with all its settings:
/// names of hosts, URL templates, redaction, captured headers, `skip`, `error_type` and the rest. `end_at` has no effect.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (tracer, _) = throughline_testing::tracer();
/// use throughline_reqwest::HttpClientLayer;
///
/// let told = throughline_tower::HttpClientLayer::new(&tracer).baggage_to(["*.shop.internal"])?;
/// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
/// let client = HttpClientLayer::from(told).redirects_stay_on_host().layer(client);
/// # let _ = client;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct HttpClientLayer {
    engine: throughline_tower::HttpClientLayer,
    /// What any host may be told at most.
    limit: Allow,
    /// Whether requests are asked for their extensions.
    extensions: bool,
}

// === impl HttpClientLayer ===

impl HttpClientLayer {
    /// Makes spans with this tracer.
    #[must_use]
    pub fn new(tracer: &Tracer) -> Self {
        throughline_tower::HttpClientLayer::new(tracer).into()
    }

    /// The client follows no redirects, or none to another host: what the egress policy says of baggage holds.
    ///
    /// By default baggage is told to nobody, not even to hosts that are named: reqwest sends a request's headers wherever
    /// a response redirects it. This method does not change that, it says that it is so:
    ///
    /// ```
    /// # fn main() -> Result<(), reqwest::Error> {
    /// use reqwest::redirect::Policy;
    ///
    /// let within_host = Policy::custom(|attempt| {
    ///     let from = attempt.previous().last().map(|url| url.origin());
    ///     if from.is_some_and(|from| from == attempt.url().origin()) {
    ///         Policy::default().redirect(attempt)
    ///     } else {
    ///         attempt.stop()
    ///     }
    /// });
    /// let client = reqwest::Client::builder().redirect(within_host).build()?;
    /// # let _ = client;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn redirects_stay_on_host(self) -> Self {
        Self { limit: Allow::ALL, ..self }
    }

    /// Reads the extensions of requests: the [`UrlTemplate`] among them, and the context that a
    /// [`CaptureLayer`](throughline_tower::CaptureLayer) has put there.
    ///
    /// Only a request that was made from an `http::Request` has any, and reqwest gives them only to a copy: that takes four
    /// allocations per request, and so it is not the default. [`RequestBuilder::url_template`](crate::RequestBuilder::url_template)
    /// needs none.
    #[must_use]
    pub fn read_extensions(self) -> Self {
        Self { extensions: true, ..self }
    }

    /// Wraps a service: [`Layer::layer`] without the trait in scope.
    pub fn layer<S>(&self, inner: S) -> HttpClient<S> {
        HttpClient { inner, layer: self.clone() }
    }

    /// Has the service send this request, in a span of its own.
    pub(crate) fn send<S: Service<Request>>(
        &self,
        service: &mut S,
        mut request: Request,
        template: Option<UrlTemplate>,
    ) -> ResponseFuture<S::Future> {
        match self.begin(&mut request, template) {
            None => ResponseFuture::untraced(service.call(request)),
            Some(mut exchange) => {
                let inner = exchange.run(Phase::Head, || service.call(request));
                ResponseFuture::new(inner, exchange)
            }
        }
    }

    fn begin(&self, request: &mut Request, template: Option<UrlTemplate>) -> Option<Exchange> {
        let mut head = head::take(request);
        if self.extensions {
            *head.extensions_mut() = head::extensions(request);
        }
        if let Some(template) = template {
            head.extensions_mut().insert(template);
        }
        let call = Call { url: Some(request.url().as_str()), limit: self.limit };
        let exchange = self.engine.begin(&mut head, call);
        head::put_back(head, request);
        exchange
    }
}

impl From<throughline_tower::HttpClientLayer> for HttpClientLayer {
    /// The layer as it is set up, for reqwest.
    fn from(engine: throughline_tower::HttpClientLayer) -> Self {
        Self { engine, limit: Allow::TRACE, extensions: false }
    }
}

impl<S> Layer<S> for HttpClientLayer {
    type Service = HttpClient<S>;

    fn layer(&self, inner: S) -> HttpClient<S> {
        self.layer(inner)
    }
}
