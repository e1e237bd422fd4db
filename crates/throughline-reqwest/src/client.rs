//! The traced client.

use std::task::{self, Poll};

use reqwest::{IntoUrl, Method, Request, Response};
use tower_service::Service;

use crate::{HttpClientLayer, RequestBuilder, ResponseFuture};

/// [`Service`] made by [`HttpClientLayer`]; around a [`reqwest::Client`], a client with the same methods.
///
/// ```
/// # async fn demo(tracer: throughline_core::Tracer) -> Result<(), Box<dyn std::error::Error>> {
/// # use throughline_reqwest::{HttpClient, HttpClientLayer};
/// let client: HttpClient<reqwest::Client> = HttpClientLayer::new(&tracer).layer(reqwest::Client::new());
/// let response = client.post("http://orders.internal/orders").body("an order").send().await?;
/// # let _ = response;
/// # Ok(()) }
/// ```
///
/// A clone is cheap and shares the connections, as reqwest's own does.
#[derive(Clone, Debug)]
pub struct HttpClient<S> {
    pub(crate) inner: S,
    pub(crate) layer: HttpClientLayer,
}

/// The names of methods, as methods.
macro_rules! methods {
    ($($name:ident => $method:ident;)*) => {$(
        #[doc = concat!("As [`reqwest::Client::", stringify!($name), "`].")]
        pub fn $name<U: IntoUrl>(&self, url: U) -> RequestBuilder {
            self.request(Method::$method, url)
        }
    )*};
}

// === impl HttpClient ===

impl HttpClient<reqwest::Client> {
    methods! {
        get => GET;
        post => POST;
        put => PUT;
        patch => PATCH;
        delete => DELETE;
        head => HEAD;
    }

    /// As [`reqwest::Client::request`].
    pub fn request<U: IntoUrl>(&self, method: Method, url: U) -> RequestBuilder {
        RequestBuilder::new(self.inner.request(method, url), self.layer.clone())
    }

    /// As [`reqwest::Client::execute`]: sends the request. Its span starts now, below the context that is current now.
    pub fn execute(&self, request: Request) -> ResponseFuture<<reqwest::Client as Service<Request>>::Future> {
        self.layer.send(&mut &self.inner, request, None)
    }
}

impl<S> HttpClient<S> {
    /// The inner service. What is sent by it has no span and carries no context.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S> Service<Request> for HttpClient<S>
where
    S: Service<Request, Response = Response>,
    S::Error: 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.layer.send(&mut self.inner, request, None)
    }
}
