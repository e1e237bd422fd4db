//! `http::HeaderMap` as a carrier, and one pass over it for all that a server wants to know.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Extractor, Field, FieldValue, Fields, Injector};
use crate::TraceState;

impl Extractor for HeaderMap {
    #[inline]
    fn get(&self, field: &Field) -> FieldValue<'_> {
        let mut values = self.get_all(field.header()).iter();
        match (values.next(), values.next()) {
            (None, _) => FieldValue::Absent,
            (Some(value), None) => FieldValue::One(value.as_bytes()),
            (Some(_), Some(_)) => FieldValue::Many,
        }
    }

    fn each<'a>(&'a self, field: &Field, see: &mut dyn FnMut(&'a [u8])) {
        for value in self.get_all(field.header()) {
            see(value.as_bytes());
        }
    }

    fn each_prefixed<'a>(&'a self, prefix: &str, see: &mut dyn FnMut(&'a str, &'a [u8])) {
        for (name, value) in self {
            if name.as_str().starts_with(prefix) {
                see(name.as_str(), value.as_bytes());
            }
        }
    }
}

impl Injector for HeaderMap {
    #[inline]
    fn set(&mut self, field: &Field, value: &[u8]) {
        match HeaderValue::from_bytes(value) {
            Ok(value) => put(self, field, value),
            // No propagator of ours writes such bytes; somebody else's must not leave a stale field behind.
            Err(_) => drop(HeaderMap::remove(self, field.header())),
        }
    }

    #[inline]
    fn remove(&mut self, field: &Field) {
        // Most requests have few headers and not this one: reading their names is cheaper than hashing this one's.
        if self.len() > SCANNED || self.keys().any(|name| same(name, field)) {
            HeaderMap::remove(self, field.header());
        }
    }

    #[inline]
    fn set_tracestate(&mut self, field: &Field, value: &TraceState) {
        put(self, field, value.text().header().clone());
    }
}

/// The headers that a server looks at for every request, found in one pass.
///
/// A pass over five headers costs half of four hashed look-ups.
/// [`Composite::extract_scanned`](crate::propagation::Composite::extract_scanned) reads a context from it.
///
/// ```
/// use http::{HeaderMap, HeaderName, HeaderValue};
/// use throughline_core::propagation::carrier::HeaderScan;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("host", HeaderValue::from_static("example.com:8080"));
/// assert_eq!(HeaderScan::new(&headers).host().unwrap(), "example.com:8080");
/// ```
#[derive(Clone, Copy)]
pub struct HeaderScan<'a> {
    headers: &'a HeaderMap,
    traceparent: FieldValue<'a>,
    tracestate: FieldValue<'a>,
    baggage: FieldValue<'a>,
    host: Option<&'a HeaderValue>,
    user_agent: Option<&'a HeaderValue>,
}

impl<'a> HeaderScan<'a> {
    /// Looks at every header once.
    #[inline]
    #[must_use]
    pub fn new(headers: &'a HeaderMap) -> Self {
        let mut scan = Self {
            headers,
            traceparent: FieldValue::Absent,
            tracestate: FieldValue::Absent,
            baggage: FieldValue::Absent,
            host: None,
            user_agent: None,
        };
        for (name, value) in headers {
            let name = name.as_str().as_bytes();
            match name.len() {
                4 if name == b"host" => scan.host = scan.host.or(Some(value)),
                7 if name == b"baggage" => scan.baggage = and(scan.baggage, value),
                10 if name == b"tracestate" => scan.tracestate = and(scan.tracestate, value),
                10 if name == b"user-agent" => scan.user_agent = scan.user_agent.or(Some(value)),
                11 if name == b"traceparent" => scan.traceparent = and(scan.traceparent, value),
                _ => {}
            }
        }
        scan
    }

    /// All headers.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The first `Host`.
    #[must_use]
    pub const fn host(&self) -> Option<&'a HeaderValue> {
        self.host
    }

    /// The first `User-Agent`.
    #[must_use]
    pub const fn user_agent(&self) -> Option<&'a HeaderValue> {
        self.user_agent
    }
}

/// The names of the headers; their values may be secret.
impl fmt::Debug for HeaderScan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("HeaderScan").field("headers", &names).finish_non_exhaustive()
    }
}

impl<'a> Fields<'a> for &HeaderScan<'a> {
    #[inline(always)]
    fn traceparent(&self) -> FieldValue<'a> {
        self.traceparent
    }

    #[inline(always)]
    fn tracestate(&self) -> FieldValue<'a> {
        self.tracestate
    }

    #[inline(always)]
    fn baggage(&self) -> FieldValue<'a> {
        self.baggage
    }

    fn carrier(&self) -> &'a dyn Extractor {
        self.headers
    }
}

#[inline]
fn and<'a>(known: FieldValue<'a>, value: &'a HeaderValue) -> FieldValue<'a> {
    match known {
        FieldValue::Absent => FieldValue::One(value.as_bytes()),
        FieldValue::One(_) | FieldValue::Many => FieldValue::Many,
    }
}

/// Compares lengths first, which alone tells most names apart.
#[inline]
fn same(name: &HeaderName, field: &Field) -> bool {
    let (name, field) = (name.as_str(), field.as_str());
    name.len() == field.len() && name == field
}

/// Sets the one value of a field, unless the map takes no more: `insert` would panic.
#[inline]
pub(crate) fn put(headers: &mut HeaderMap, field: &Field, value: HeaderValue) {
    let _ = headers.try_insert(field.header(), value);
}

/// Up to so many headers are looked through one by one.
const SCANNED: usize = 16;
