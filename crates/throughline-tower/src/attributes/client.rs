//! Requests that are made.

use http::header::HOST;
use http::{HeaderValue, Uri};
use throughline_core::{AttributeVisitor, Key, Operation, Recording, Scope, SemanticKey, SpanKind, SpanName, Value};

use super::{PROTOCOL_VERSION, RequestOptions, ResponseView, SCOPE, SERVER_ADDRESS, SERVER_PORT};
use crate::peer_service::PeerServices;
use crate::scratch::with_scratch;
use crate::{RequestView, authority};

/// HTTP requests that are made, for the `Instrumenter`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpClientOperation {
    pub(crate) options: RequestOptions,
    pub(crate) peer_services: Option<PeerServices>,
    /// The connections are TLS; only requests in origin form do not say so themselves.
    pub(crate) https: bool,
}

/// What a client knows of a request when its span starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientRequest<'a> {
    pub(crate) request: RequestView<'a>,
    /// The URL as the application wrote it, where the client knows more of it than `http::Uri` can hold.
    pub(crate) url: Option<&'a str>,
    pub(crate) template: Option<&'a str>,
    /// The other side, as [`HttpClientOperation::target`] has it.
    pub(crate) target: (&'a [u8], u16),
    pub(crate) resend_count: u32,
}

// === impl HttpClientOperation ===

impl HttpClientOperation {
    #[inline]
    fn is_https(&self, uri: &Uri) -> bool {
        uri.scheme_str().map_or(self.https, |scheme| matches!(scheme, "https" | "wss"))
    }

    /// Host and port of the other side: the URL's, in origin form those of `Host`. No host is an empty one.
    #[inline]
    pub(crate) fn target<'a>(&self, request: &RequestView<'a>) -> (&'a [u8], u16) {
        let uri = request.uri();
        let authority = match uri.authority() {
            Some(authority) => authority.as_str().as_bytes(),
            None => request.headers().get(HOST).map(HeaderValue::as_bytes).unwrap_or_default(),
        };
        let (host, port) = authority::split(authority);
        (host, port.unwrap_or(if self.is_https(uri) { 443 } else { 80 }))
    }
}

impl Operation for HttpClientOperation {
    type Request<'a> = ClientRequest<'a>;
    type Response<'a> = ResponseView<'a>;

    fn kind(&self) -> SpanKind {
        SpanKind::Client
    }

    fn semantic_key(&self) -> Option<SemanticKey> {
        Some(SemanticKey::HttpClient)
    }

    fn scope(&self) -> &'static Scope {
        &SCOPE
    }

    #[inline]
    fn name<'r>(&self, request: &'r ClientRequest<'_>) -> SpanName<'r> {
        let verb = self.options.verb(request.request.method());
        match request.template {
            Some(target) => SpanName::Target { verb, target },
            None => SpanName::Static(verb),
        }
    }

    #[inline]
    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, request: &ClientRequest<'_>, to: &mut V) {
        let ClientRequest { request, url, template, target: (host, port), resend_count } = *request;
        self.options.method(request.method(), to);
        let uri = request.uri();
        with_scratch(|text| {
            match url {
                Some(url) => self.options.redact.url(url, text),
                None => {
                    let scheme = if self.is_https(uri) { "https" } else { "http" };
                    // Only origin form needs it.
                    let host = || request.headers().get(HOST)?.to_str().ok();
                    self.options.redact.uri(uri, scheme, host, text);
                }
            }
            to.attribute(URL_FULL, Value::Str(text));
        });
        if let Some(template) = template {
            to.attribute(URL_TEMPLATE, Value::Str(template));
        }
        if !host.is_empty() {
            to.attribute(SERVER_ADDRESS, Value::Bytes(host));
            to.attribute(SERVER_PORT, Value::Int(port.into()));
            if let Some(services) = &self.peer_services {
                if let Some(name) = services.find(host, port, uri.path()) {
                    to.attribute(PEER_NAME, Value::Str(name));
                }
            }
        }
        if resend_count > 0 {
            to.attribute(RESEND_COUNT, Value::Int(resend_count.into()));
        }
        self.options.extras(request.headers(), to);
    }

    #[inline]
    fn end(&self, response: &ResponseView<'_>, span: &mut Recording<'_>) {
        end(response, span);
    }
}

#[inline]
pub(crate) fn end(response: &ResponseView<'_>, span: &mut Recording<'_>) {
    if let Some(version) = response.version.and_then(super::version) {
        span.push(PROTOCOL_VERSION, Value::Static(version));
    }
    let failed = response.status.is_some_and(|status| status.as_u16() >= 400);
    super::end(response, failed, span);
}

const URL_FULL: Key<'static> = Key::new("url.full");
const URL_TEMPLATE: Key<'static> = Key::new("url.template");
const PEER_NAME: Key<'static> = Key::new("service.peer.name");
const RESEND_COUNT: Key<'static> = Key::new("http.request.resend_count");
