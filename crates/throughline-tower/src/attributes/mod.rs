//! HTTP by the stable semantic conventions: names, attributes, status.

mod client;
mod server;

use http::{HeaderMap, Method, StatusCode, Version};
use throughline_core::{AttributeVisitor, Key, Recording, Scope, Status, TextList, Value};

use crate::captured_headers::CapturedHeaders;
use crate::methods::Methods;
use crate::url::Redact;

pub(crate) use self::client::{ClientRequest, HttpClientOperation, end as end_client};
pub(crate) use self::server::{HttpServerOperation, ServerRequest, end as end_server};

/// What either side may be told about the attributes of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestOptions {
    pub(crate) methods: Methods,
    pub(crate) redact: Redact,
    pub(crate) headers: Option<CapturedHeaders>,
    pub(crate) body_sizes: bool,
}

/// What is known of a response when its span ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseView<'a> {
    pub(crate) status: Option<StatusCode>,
    pub(crate) version: Option<Version>,
    pub(crate) error_type: Option<&'a str>,
    pub(crate) phase: Option<&'static &'static str>,
    pub(crate) body_size: Option<u64>,
}

// === impl RequestOptions ===

impl RequestOptions {
    #[inline]
    fn verb(&self, method: &Method) -> &'static &'static str {
        self.methods.verb(method).unwrap_or(&"HTTP")
    }

    #[inline]
    fn method<V: AttributeVisitor + ?Sized>(&self, method: &Method, to: &mut V) {
        match self.methods.verb(method) {
            Some(method) => to.attribute(METHOD, Value::Static(method)),
            None => {
                to.attribute(METHOD, Value::Static(&"_OTHER"));
                to.attribute(METHOD_ORIGINAL, Value::Str(method.as_str()));
            }
        }
    }

    /// What is only recorded where somebody asked for it.
    #[inline]
    fn extras<V: AttributeVisitor + ?Sized>(&self, headers: &HeaderMap, to: &mut V) {
        if self.body_sizes || self.headers.is_some() {
            self.asked_for(headers, to);
        }
    }

    #[cold]
    fn asked_for<V: AttributeVisitor + ?Sized>(&self, headers: &HeaderMap, to: &mut V) {
        if self.body_sizes {
            if let Some(size) = content_length(headers) {
                to.attribute(REQUEST_BODY_SIZE, size.into());
            }
        }
        if let Some(captured) = &self.headers {
            captured.each(headers, |key, values| to.attribute(key, Value::List(TextList::from(values))));
        }
    }
}

/// What `Content-Length` declares.
#[inline]
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    // Few headers are set here: comparing their names is cheaper than hashing this one's.
    let (_, declared) = headers.iter().find(|(name, _)| **name == http::header::CONTENT_LENGTH)?;
    // Digits and nothing else: `parse` would take a sign, too.
    declared.to_str().ok()?.trim().parse().ok().filter(|_| !declared.as_bytes().contains(&b'+'))
}

/// Status code, `error.type` and the span's status.
#[inline]
fn end(response: &ResponseView<'_>, failed: bool, span: &mut Recording<'_>) {
    if let Some(status) = response.status {
        span.push(STATUS_CODE, i64::from(status.as_u16()));
    }
    if let Some(size) = response.body_size {
        span.push(RESPONSE_BODY_SIZE, size);
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

static SCOPE: Scope = Scope { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

const METHOD: Key<'static> = Key::new("http.request.method");
const METHOD_ORIGINAL: Key<'static> = Key::new("http.request.method_original");
const REQUEST_BODY_SIZE: Key<'static> = Key::new("http.request.body.size");
const RESPONSE_BODY_SIZE: Key<'static> = Key::new("http.response.body.size");
const STATUS_CODE: Key<'static> = Key::new("http.response.status_code");
const SERVER_ADDRESS: Key<'static> = Key::new("server.address");
const SERVER_PORT: Key<'static> = Key::new("server.port");
pub(crate) const PEER_ADDRESS: Key<'static> = Key::new("network.peer.address");
pub(crate) const PEER_PORT: Key<'static> = Key::new("network.peer.port");
const PROTOCOL_VERSION: Key<'static> = Key::new("network.protocol.version");
const PHASE: Key<'static> = Key::new("throughline.phase");
const ERROR_TYPE: &str = "error.type";
