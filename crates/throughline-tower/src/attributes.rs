//! HTTP by the stable semantic conventions: names, attributes, status.

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::{Extensions, HeaderValue, Method, StatusCode, Version, uri};
use throughline_core::propagation::carrier::HeaderScan;
use throughline_core::{
    AttributeVisitor, Key, Operation, Recording, Scope, SemanticKey, SpanKind, SpanName, Status, Value,
};

use crate::{RequestView, authority, url};

/// HTTP requests that are answered, for the `Instrumenter`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HttpServerOperation;

/// HTTP requests that are made, for the `Instrumenter`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HttpClientOperation;

/// What a server knows of a request when its span starts.
#[derive(Clone, Debug)]
pub(crate) struct ServerRequest<'a> {
    request: RequestView<'a>,
    scan: &'a HeaderScan<'a>,
    sources: Sources,
    route: OnceCell<Option<&'a str>>,
}

/// Where a server looks for what HTTP does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) route: Option<for<'a> fn(&'a Extensions) -> Option<&'a str>>,
    pub(crate) peer: Option<fn(&Extensions) -> Option<SocketAddr>>,
    pub(crate) https: bool,
}

/// What a client knows of a request when its span starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientRequest<'a> {
    pub(crate) request: RequestView<'a>,
    pub(crate) resend_count: u32,
    /// The connections are TLS; only requests in origin form do not say so themselves.
    pub(crate) https: bool,
}

/// What is known of a response when its span ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseView<'a> {
    pub(crate) status: Option<StatusCode>,
    pub(crate) version: Option<Version>,
    pub(crate) error_type: Option<&'a str>,
    pub(crate) phase: Option<&'static &'static str>,
}

// === impl ServerRequest ===

impl<'a> ServerRequest<'a> {
    #[inline]
    pub(crate) fn new(request: RequestView<'a>, scan: &'a HeaderScan<'a>, sources: Sources) -> Self {
        Self { request, scan, sources, route: OnceCell::new() }
    }

    /// Looked for once, and only if the span is recorded or a sampler wants its name.
    #[inline]
    fn route(&self) -> Option<&'a str> {
        *self.route.get_or_init(|| self.sources.route.and_then(|route| route(self.request.extensions())))
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.sources.peer.and_then(|peer| peer(self.request.extensions()))
    }
}

// === impl HttpServerOperation ===

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
        let verb = known(request.request.method()).unwrap_or(&"HTTP");
        match request.route() {
            Some(target) => SpanName::Target { verb, target },
            None => SpanName::Static(verb),
        }
    }

    #[inline]
    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, request: &ServerRequest<'_>, to: &mut V) {
        let (ServerRequest { request, scan, sources, .. }, route, peer) = (request, request.route(), request.peer());
        method(request.method(), to);
        let uri = request.uri();
        to.attribute(URL_PATH, Value::Str(uri.path()));
        to.attribute(URL_SCHEME, Value::Static(scheme(uri.scheme(), sources.https)));
        if let Some(query) = uri.query() {
            to.attribute(URL_QUERY, Value::Str(&url::redact_query(query)));
        }
        if let Some(route) = route {
            to.attribute(HTTP_ROUTE, Value::Str(route));
        }
        let authority = match uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => scan.host().map(HeaderValue::as_bytes),
        };
        if let Some((host, port)) = authority.map(authority::split).filter(|(host, _)| !host.is_empty()) {
            to.attribute(SERVER_ADDRESS, Value::Bytes(host));
            if let Some(port) = port {
                to.attribute(SERVER_PORT, Value::Int(port.into()));
            }
        }
        if let Some(peer) = peer {
            peer_attributes(peer, to);
        }
        if let Some(agent) = scan.user_agent() {
            to.attribute(USER_AGENT, Value::Bytes(agent.as_bytes()));
        }
        if let Some(version) = version(request.version()) {
            to.attribute(PROTOCOL_VERSION, Value::Static(version));
        }
    }

    #[inline]
    fn end(&self, response: &ResponseView<'_>, span: &mut Recording<'_>) {
        let failed = response.status.is_some_and(|status| status.as_u16() >= 500);
        end(response, failed, span);
    }
}

// === impl HttpClientOperation ===

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
        SpanName::Static(known(request.request.method()).unwrap_or(&"HTTP"))
    }

    #[inline]
    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, request: &ClientRequest<'_>, to: &mut V) {
        let ClientRequest { request, resend_count, https } = *request;
        method(request.method(), to);
        let uri = request.uri();
        let host = request.headers().get(http::header::HOST);
        let https = match uri.scheme_str() {
            Some(scheme) => matches!(scheme, "https" | "wss"),
            None => https,
        };
        let scheme = if https { "https" } else { "http" };
        to.attribute(URL_FULL, Value::Str(&url::full(uri, scheme, host.and_then(|host| host.to_str().ok()))));
        let authority = match uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => host.map(HeaderValue::as_bytes),
        };
        if let Some((host, port)) = authority.map(authority::split).filter(|(host, _)| !host.is_empty()) {
            to.attribute(SERVER_ADDRESS, Value::Bytes(host));
            to.attribute(SERVER_PORT, Value::Int(port.unwrap_or(if https { 443 } else { 80 }).into()));
        }
        if resend_count > 0 {
            to.attribute(RESEND_COUNT, Value::Int(resend_count.into()));
        }
    }

    #[inline]
    fn end(&self, response: &ResponseView<'_>, span: &mut Recording<'_>) {
        if let Some(version) = response.version.and_then(version) {
            span.push(PROTOCOL_VERSION, Value::Static(version));
        }
        let failed = response.status.is_some_and(|status| status.as_u16() >= 400);
        end(response, failed, span);
    }
}

/// Status code, `error.type` and the span's status.
#[inline]
fn end(response: &ResponseView<'_>, failed: bool, span: &mut Recording<'_>) {
    if let Some(status) = response.status {
        span.push(STATUS_CODE, i64::from(status.as_u16()));
    }
    if let Some(phase) = response.phase {
        span.push(PHASE, Value::Static(phase));
    }
    match response.error_type {
        Some(error_type) => span.set_error(error_type),
        // The status line explains the failure; an application that has said more in `error.type` keeps its word.
        None if failed => {
            span.set_status(&Status::error());
            if let Some(status) = response.status.filter(|_| !span.has(ERROR_TYPE)) {
                span.push(ERROR_TYPE, Value::Str(status.as_str()));
            }
        }
        None => {}
    }
}

#[inline]
fn method<V: AttributeVisitor + ?Sized>(method: &Method, to: &mut V) {
    match known(method) {
        Some(method) => to.attribute(METHOD, Value::Static(method)),
        None => {
            to.attribute(METHOD, Value::Static(&"_OTHER"));
            to.attribute(METHOD_ORIGINAL, Value::Str(method.as_str()));
        }
    }
}

/// The methods of RFC 9110, PATCH and QUERY.
#[inline]
fn known(method: &Method) -> Option<&'static &'static str> {
    Some(match *method {
        Method::GET => &"GET",
        Method::POST => &"POST",
        Method::PUT => &"PUT",
        Method::DELETE => &"DELETE",
        Method::HEAD => &"HEAD",
        Method::OPTIONS => &"OPTIONS",
        Method::PATCH => &"PATCH",
        Method::CONNECT => &"CONNECT",
        Method::TRACE => &"TRACE",
        _ if method.as_str() == "QUERY" => &"QUERY",
        _ => return None,
    })
}

#[inline]
fn scheme(scheme: Option<&uri::Scheme>, https: bool) -> &'static &'static str {
    match scheme {
        Some(scheme) if *scheme == uri::Scheme::HTTPS => &"https",
        None if https => &"https",
        _ => &"http",
    }
}

#[inline]
fn version(version: Version) -> Option<&'static &'static str> {
    Some(match version {
        Version::HTTP_11 => &"1.1",
        Version::HTTP_2 => &"2",
        Version::HTTP_10 => &"1.0",
        Version::HTTP_3 => &"3",
        Version::HTTP_09 => &"0.9",
        _ => return None,
    })
}

/// The socket's other end. Without trusted proxies it is the client, too.
#[cold]
fn peer_attributes<V: AttributeVisitor + ?Sized>(peer: SocketAddr, to: &mut V) {
    let mut address = String::with_capacity(MAX_ADDRESS);
    let ip = match peer.ip() {
        // A dual-stack socket shows IPv4 peers as mapped addresses.
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4),
        ip @ IpAddr::V4(_) => ip,
    };
    let _ = write!(address, "{ip}");
    to.attribute(CLIENT_ADDRESS, Value::Str(&address));
    to.attribute(PEER_ADDRESS, Value::Str(&address));
    to.attribute(PEER_PORT, Value::Int(peer.port().into()));
}

static SCOPE: Scope = Scope { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

const MAX_ADDRESS: usize = 45;

const METHOD: Key<'static> = Key::new("http.request.method");
const METHOD_ORIGINAL: Key<'static> = Key::new("http.request.method_original");
const RESEND_COUNT: Key<'static> = Key::new("http.request.resend_count");
const STATUS_CODE: Key<'static> = Key::new("http.response.status_code");
const HTTP_ROUTE: Key<'static> = Key::new("http.route");
const URL_FULL: Key<'static> = Key::new("url.full");
const URL_PATH: Key<'static> = Key::new("url.path");
const URL_QUERY: Key<'static> = Key::new("url.query");
const URL_SCHEME: Key<'static> = Key::new("url.scheme");
const SERVER_ADDRESS: Key<'static> = Key::new("server.address");
const SERVER_PORT: Key<'static> = Key::new("server.port");
const CLIENT_ADDRESS: Key<'static> = Key::new("client.address");
const PEER_ADDRESS: Key<'static> = Key::new("network.peer.address");
const PEER_PORT: Key<'static> = Key::new("network.peer.port");
const PROTOCOL_VERSION: Key<'static> = Key::new("network.protocol.version");
const USER_AGENT: Key<'static> = Key::new("user_agent.original");
const PHASE: Key<'static> = Key::new("throughline.phase");
const ERROR_TYPE: &str = "error.type";
