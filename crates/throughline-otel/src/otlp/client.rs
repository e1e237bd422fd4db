//! The HTTP client below `opentelemetry-otlp`.

use std::fmt;

use async_trait::async_trait;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::uri::Scheme;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use throughline_core::Diagnostic;

use super::{InvalidVariable, Names, OtlpConfig, tls};
use crate::error::Reason;

/// Sends with exactly the headers that were configured, and says why it could not: `opentelemetry-otlp` does not.
pub(super) struct Client {
    inner: Box<dyn HttpClient>,
    headers: HeaderMap,
    reason: Reason,
    /// What a collector counts of this signal.
    items: &'static str,
}

// === impl Client ===

impl Client {
    pub(super) fn new(config: OtlpConfig, reason: Reason, items: &'static str) -> Result<Self, InvalidVariable> {
        let inner: Box<dyn HttpClient> = if config.endpoint.scheme() == Some(&Scheme::HTTPS) {
            let tls = tls::config(&config)?;
            let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
            Box::new(HyperClient::new(connector, config.timeout, None))
        } else {
            Box::new(HyperClient::with_default_connector(config.timeout, None))
        };
        Ok(Self { inner, headers: config.headers, reason, items })
    }

    /// The request's own headers and ours; others come from variables that `opentelemetry-otlp` read by itself.
    fn replace_headers(&self, headers: &mut HeaderMap) {
        let given = std::mem::take(headers);
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            if let Some(value) = given.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        for name in self.headers.keys() {
            headers.remove(name);
        }
        headers.extend(self.headers.clone());
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.replace_headers(request.headers_mut());
        self.reason.set(None);
        match self.inner.send_bytes(request).await {
            Ok(response) => {
                if response.status().is_success() {
                    warn_of_refusals(response.body(), self.items);
                } else {
                    self.reason.set(Some(format!("the collector answered {}", response.status()).into()));
                }
                Ok(response)
            }
            Err(error) => {
                self.reason.set(Some(error));
                Err("the reason is kept elsewhere".into())
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("headers", &Names(&self.headers)).finish_non_exhaustive()
    }
}

/// A collector may take a batch and yet refuse some of what is in it. It says so in the same message for each signal, up
/// to the message's name.
fn warn_of_refusals(body: &Bytes, items: &str) {
    let answer = ExportTraceServiceResponse::decode(body.clone()).unwrap_or_default();
    if let Some(partial) = answer.partial_success.filter(|partial| partial.rejected_spans > 0) {
        let said = partial.error_message;
        REFUSED.warn(|| format!("the collector refused {} {items} of a batch: {said:?}", partial.rejected_spans));
    }
}

static REFUSED: Diagnostic = Diagnostic::new();

const PRODUCT: &str = concat!("throughline/", env!("CARGO_PKG_VERSION"));
