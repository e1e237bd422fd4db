//! `http::HeaderMap` as a carrier, and one pass over it for all that a server wants to know.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    BAGGAGE, Extractor, Field, FieldSet, FieldValue, Fields, Injector, Known, OT_BAGGAGE, TRACEPARENT, TRACESTATE,
    UBERCTX,
};
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

    #[inline]
    fn first(&self, field: &Field) -> Option<&[u8]> {
        HeaderMap::get(self, field.header()).map(HeaderValue::as_bytes)
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

    fn set_named(&mut self, name: &str, value: &[u8]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            let _ = self.try_insert(name, value);
        }
    }

    fn remove_prefixed(&mut self, prefix: &str) {
        let stale: Vec<_> = self.keys().filter(|name| name.as_str().starts_with(prefix)).cloned().collect();
        stale.iter().for_each(|name| drop(HeaderMap::remove(self, name)));
    }

    /// One pass; only what is there is hashed and removed.
    #[inline]
    fn clear(&mut self, set: &FieldSet) {
        let (mut stale, mut prefixed) = (0_u64, false);
        for name in self.keys().map(HeaderName::as_str) {
            if let Some(at) = set.position(name) {
                stale |= 1 << at.min(63);
            } else if !set.prefixes().is_empty() {
                prefixed |= set.is_prefixed(name);
            }
        }
        if stale != 0 {
            let fields = set.fields().iter().enumerate().filter(|(at, _)| stale & (1 << at.min(&63)) != 0);
            fields.for_each(|(_, field)| drop(HeaderMap::remove(self, field.header())));
        }
        if prefixed {
            set.prefixes().iter().for_each(|prefix| self.remove_prefixed(prefix));
        }
    }

    #[inline]
    fn set_static(&mut self, field: &Field, value: &'static str) {
        put(self, field, HeaderValue::from_static(value));
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

    fn first(&self, known: Known) -> Option<&'a [u8]> {
        Extractor::first(self.headers, known.field())
    }

    fn may_have_prefixed(&self) -> bool {
        true
    }

    fn carrier(&self) -> &'a dyn Extractor {
        self.headers
    }
}

/// Which fields that a composite reads are there, found in one pass over the names; their values are then looked up.
#[derive(Clone, Copy)]
pub(crate) struct FormatScan<'a> {
    headers: &'a HeaderMap,
    found: u32,
    w3c: bool,
    prefixed: bool,
}

impl<'a> FormatScan<'a> {
    /// Looks at every name once. Most are told apart by their length, of which the set has few.
    #[inline(always)]
    pub(crate) fn new(headers: &'a HeaderMap, set: &FieldSet) -> Self {
        let mut this = Self { headers, found: 0, w3c: false, prefixed: false };
        let prefixes = !set.prefixes().is_empty();
        for name in headers.keys() {
            let name = name.as_str().as_bytes();
            if set.has_length(name.len()) {
                match Known::of(name) {
                    Some(known) => this.found |= 1 << known as u32,
                    None => this.w3c |= matches!(name, b"traceparent" | b"tracestate" | b"baggage"),
                }
            }
            if prefixes && matches!(name, [b'u' | b'o', b'b' | b't', ..]) {
                this.prefixed |= name.starts_with(UBERCTX.as_bytes()) || name.starts_with(OT_BAGGAGE.as_bytes());
            }
        }
        this
    }

    /// Whether there is nothing of any format.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.found == 0 && !self.w3c && !self.prefixed
    }

    #[inline(always)]
    fn w3c(&self, field: &Field) -> FieldValue<'a> {
        if self.w3c { Extractor::get(self.headers, field) } else { FieldValue::Absent }
    }
}

impl<'a> Fields<'a> for FormatScan<'a> {
    #[inline(always)]
    fn traceparent(&self) -> FieldValue<'a> {
        self.w3c(&TRACEPARENT)
    }

    #[inline(always)]
    fn tracestate(&self) -> FieldValue<'a> {
        self.w3c(&TRACESTATE)
    }

    #[inline(always)]
    fn baggage(&self) -> FieldValue<'a> {
        self.w3c(&BAGGAGE)
    }

    #[inline(always)]
    fn first(&self, known: Known) -> Option<&'a [u8]> {
        let is_there = self.found & (1 << known as u32) != 0;
        if is_there { Extractor::first(self.headers, known.field()) } else { None }
    }

    #[inline(always)]
    fn may_have_prefixed(&self) -> bool {
        self.prefixed
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
