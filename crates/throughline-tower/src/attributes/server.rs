//! Requests that are answered.

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::{Extensions, HeaderValue, uri};
use throughline_core::propagation::carrier::HeaderScan;
use throughline_core::{
    AttributeVisitor, Key, Operation, Recording, Scope, SemanticKey, SpanContext, SpanKind, SpanName, Value,
};

use super::{
    PEER_ADDRESS, PEER_PORT, PROTOCOL_VERSION, RequestOptions, ResponseView, SCOPE, SERVER_ADDRESS, SERVER_PORT,
};
use crate::forwarded::Forwarded;
use crate::route::HTTP_ROUTE;
use crate::scratch::with_scratch;
use crate::{Peer, RequestView, authority};

/// HTTP requests that are answered, for the `Instrumenter`.
#[derive(Clone, Debug)]
pub(crate) struct HttpServerOperation {
    pub(crate) options: RequestOptions,
    pub(crate) route: Option<FindRoute>,
    pub(crate) peer: fn(&Extensions) -> Option<SocketAddr>,
    /// The connections are TLS; only requests in origin form do not say so themselves.
    pub(crate) https: bool,
    /// So many proxies in front of the server are believed.
    pub(crate) trusted_proxies: usize,
}

/// Where a route is found.
pub(crate) type FindRoute = for<'a> fn(&'a Extensions) -> Option<&'a str>;

/// What a server knows of a request when its span starts.
#[derive(Clone, Debug)]
pub(crate) struct ServerRequest<'a> {
    request: RequestView<'a>,
    scan: &'a HeaderScan<'a>,
    /// A caller that is not trusted to be the parent.
    link: Option<SpanContext>,
    source: Option<FindRoute>,
    route: Cell<Option<&'a str>>,
    asked: Cell<bool>,
}

// === impl ServerRequest ===

impl<'a> ServerRequest<'a> {
    #[inline]
    pub(crate) fn new(
        request: RequestView<'a>,
        scan: &'a HeaderScan<'a>,
        link: Option<SpanContext>,
        operation: &HttpServerOperation,
    ) -> Self {
        Self { request, scan, link, source: operation.route, route: Cell::new(None), asked: Cell::new(false) }
    }

    /// Looked for once, and only if the span is recorded or a sampler wants its name.
    #[inline]
    fn route(&self) -> Option<&'a str> {
        // Before the answer is there: a source that panics is not asked again.
        if !self.asked.replace(true) {
            let found = self.source.and_then(|source| source(self.request.extensions()));
            self.route.set(found.filter(|route| !route.is_empty()));
        }
        self.route.get()
    }

    /// Whether a route was looked for in vain.
    #[inline]
    pub(crate) fn is_unrouted(&self) -> bool {
        self.source.is_some() && self.asked.get() && self.route.get().is_none()
    }
}

// === impl HttpServerOperation ===

impl Default for HttpServerOperation {
    fn default() -> Self {
        Self { options: RequestOptions::default(), route: None, peer: Peer::of, https: false, trusted_proxies: 0 }
    }
}

impl Operation for HttpServerOperation {
    type Request<'a> = ServerRequest<'a>;
    type Response<'a> = ResponseView<'a>;

    fn kind(&self) -> SpanKind {
        SpanKind::Server
    }

    fn semantic_key(&self) -> Option<SemanticKey> {
        Some(SemanticKey::HttpServer)
    }

    fn scope(&self) -> &'static Scope {
        &SCOPE
    }

    #[inline]
    fn name<'r>(&self, request: &'r ServerRequest<'_>) -> SpanName<'r> {
        let verb = self.options.verb(request.request.method());
        match request.route() {
            Some(target) => SpanName::Target { verb, target },
            None => SpanName::Static(verb),
        }
    }

    #[inline]
    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, request: &ServerRequest<'_>, to: &mut V) {
        let (ServerRequest { request, scan, .. }, route) = (request, request.route());
        let uri = request.uri();
        let addressed = || {
            let authority = match uri.authority() {
                Some(authority) => Some(authority.as_str().as_bytes()),
                None => scan.host().map(HeaderValue::as_bytes),
            };
            authority.map(authority::split)
        };
        let (scheme, addressed, client) = if self.trusted_proxies == 0 {
            (scheme(uri.scheme(), self.https), addressed(), None)
        } else {
            let said = Forwarded::read(request.headers(), self.trusted_proxies);
            let scheme = said.scheme.unwrap_or_else(|| scheme(uri.scheme(), self.https));
            (scheme, said.host.or_else(addressed), said.client)
        };
        self.options.method(request.method(), to);
        to.attribute(URL_PATH, Value::Str(uri.path()));
        to.attribute(URL_SCHEME, Value::Static(scheme));
        if let Some(query) = uri.query() {
            with_scratch(|text| {
                self.options.redact.query(query, text);
                to.attribute(URL_QUERY, Value::Str(text));
            });
        }
        if let Some(route) = route {
            to.attribute(HTTP_ROUTE, Value::Str(route));
        }
        if let Some((host, port)) = addressed.filter(|(host, _)| !host.is_empty()) {
            to.attribute(SERVER_ADDRESS, Value::Bytes(host));
            if let Some(port) = port {
                to.attribute(SERVER_PORT, Value::Int(port.into()));
            }
        }
        let peer = (self.peer)(request.extensions());
        if peer.is_some() || client.is_some() {
            client_attributes(client, peer, to);
        }
        if let Some(agent) = scan.user_agent() {
            to.attribute(USER_AGENT, Value::Bytes(agent.as_bytes()));
        }
        if let Some(version) = super::version(request.version()) {
            to.attribute(PROTOCOL_VERSION, Value::Static(version));
        }
        self.options.extras(request.headers(), to);
    }

    fn links(&self, request: &ServerRequest<'_>, span: &mut Recording<'_>) {
        if let Some(caller) = request.link {
            span.link(caller, &[]);
        }
    }

    #[inline]
    fn end(&self, response: &ResponseView<'_>, span: &mut Recording<'_>) {
        end(response, span);
    }
}

#[inline]
pub(crate) fn end(response: &ResponseView<'_>, span: &mut Recording<'_>) {
    let failed = response.status.is_some_and(|status| status.as_u16() >= 500);
    super::end(response, failed, span);
}

#[inline]
fn scheme(scheme: Option<&uri::Scheme>, https: bool) -> &'static &'static str {
    match scheme {
        Some(scheme) if *scheme == uri::Scheme::HTTPS => &"https",
        None if https => &"https",
        _ => &"http",
    }
}

/// The client as trusted proxies name it, else the socket's other end.
#[cold]
fn client_attributes<V: AttributeVisitor + ?Sized>(client: Option<IpAddr>, peer: Option<SocketAddr>, to: &mut V) {
    with_scratch(|text| {
        if let Some(client) = client {
            let _ = write!(text, "{client}");
            to.attribute(CLIENT_ADDRESS, Value::Str(text));
        }
        if let Some(peer) = peer {
            text.clear();
            // A dual-stack socket shows IPv4 peers as mapped addresses.
            let _ = write!(text, "{}", peer.ip().to_canonical());
            if client.is_none() {
                to.attribute(CLIENT_ADDRESS, Value::Str(text));
            }
            to.attribute(PEER_ADDRESS, Value::Str(text));
            to.attribute(PEER_PORT, Value::Int(peer.port().into()));
        }
    });
}

const URL_PATH: Key<'static> = Key::new("url.path");
const URL_QUERY: Key<'static> = Key::new("url.query");
const URL_SCHEME: Key<'static> = Key::new("url.scheme");
const CLIENT_ADDRESS: Key<'static> = Key::new("client.address");
const USER_AGENT: Key<'static> = Key::new("user_agent.original");
