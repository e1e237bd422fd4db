//! reqwest's builder of requests, traced.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use reqwest::{Body, Error, Request, Response};
use throughline_tower::UrlTemplate;

use crate::HttpClientLayer;

/// A [`reqwest::RequestBuilder`] that sends in a span; made by [`HttpClient`](crate::HttpClient).
///
/// It has the methods of reqwest's. Those that reqwest has behind a feature are behind a feature of the same name here:
/// `form`, `json`, `multipart`, `query`. [`map`](Self::map) takes whatever else there is.
#[must_use = "a request does nothing unless it is sent"]
#[derive(Debug)]
pub struct RequestBuilder {
    inner: reqwest::RequestBuilder,
    layer: HttpClientLayer,
    template: Option<UrlTemplate>,
}

/// The methods that reqwest's builder has as well.
macro_rules! methods_of_reqwest {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[doc = concat!("As [`reqwest::RequestBuilder::", stringify!($name), "`].")]
        $(#[$attribute])*
        pub fn $name(self, $($argument: $type),*) -> Self {
            self.map(|request| request.$name($($argument),*))
        }
    )*};
}

// === impl RequestBuilder ===

impl RequestBuilder {
    pub(crate) fn new(inner: reqwest::RequestBuilder, layer: HttpClientLayer) -> Self {
        Self { inner, layer, template: None }
    }

    /// As [`reqwest::RequestBuilder::header`].
    pub fn header<K, V>(self, key: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.map(|request| request.header(key, value))
    }

    methods_of_reqwest! {
        headers(headers: HeaderMap);
        basic_auth(username: impl fmt::Display, password: Option<impl fmt::Display>);
        bearer_auth(token: impl fmt::Display);
        body(body: impl Into<Body>);
        timeout(timeout: Duration);
        version(version: Version);
        #[cfg(feature = "query")]
        query(query: &(impl serde::Serialize + ?Sized));
        #[cfg(feature = "form")]
        form(form: &(impl serde::Serialize + ?Sized));
        #[cfg(feature = "json")]
        json(json: &(impl serde::Serialize + ?Sized));
        #[cfg(feature = "multipart")]
        multipart(form: reqwest::multipart::Form);
    }

    /// Does to reqwest's builder what has no method here.
    pub fn map(self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        Self { inner: change(self.inner), ..self }
    }

    /// What names the span and becomes `url.template`: as [`UrlTemplate`] among a request's extensions.
    ///
    /// ```
    /// # async fn demo(client: throughline_reqwest::HttpClient<reqwest::Client>, id: u32) -> reqwest::Result<()> {
    /// use throughline_tower::UrlTemplate;
    ///
    /// let url = format!("http://users.internal/users/{id}");
    /// client.get(url).url_template(UrlTemplate::new("/users/{id}")).send().await?;
    /// # Ok(()) }
    /// ```
    pub fn url_template(self, template: UrlTemplate) -> Self {
        Self { template: Some(template), ..self }
    }

    /// As [`reqwest::RequestBuilder::build`]: the request alone, for [`HttpClient::execute`](crate::HttpClient::execute).
    ///
    /// # Errors
    ///
    /// What was wrong with the arguments.
    pub fn build(self) -> Result<Request, Error> {
        self.inner.build()
    }

    /// As [`reqwest::RequestBuilder::send`]. The span starts now, below the context that is current now.
    ///
    /// # Errors
    ///
    /// Those of reqwest. A request that cannot be built is not sent and has no span.
    pub fn send(self) -> impl Future<Output = Result<Response, Error>> + Send + use<> {
        let (client, request) = self.inner.build_split();
        let sent = request.map(|request| self.layer.send(&mut &client, request, self.template));
        async move { sent?.await }
    }

    /// As [`reqwest::RequestBuilder::try_clone`]: nothing if the body is a stream.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        let inner = self.inner.try_clone()?;
        Some(Self { inner, layer: self.layer.clone(), template: self.template.clone() })
    }
}
