//! W3C trace context (levels 1 and 2) and W3C baggage.

use std::borrow::Cow;

#[cfg(feature = "http")]
use http::{HeaderMap, HeaderValue};

#[cfg(feature = "http")]
use super::carrier::put;
use super::carrier::{BAGGAGE, Fields, TRACEPARENT, TRACESTATE};
use super::{Allow, Extracted, Extractor, Field, FieldValue, Injector, Propagator};
use crate::{Baggage, Context, SamplingState, SpanContext, TraceState};

/// W3C `traceparent` and `tracestate` ([Trace Context](https://www.w3.org/TR/trace-context-2/)).
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceContext;

/// W3C `baggage` ([Baggage](https://www.w3.org/TR/baggage/)).
#[derive(Clone, Copy, Debug, Default)]
pub struct W3cBaggage;

// === impl TraceContext ===

impl TraceContext {
    /// Reads on top of what other formats found before.
    #[inline(always)]
    #[expect(clippy::needless_pass_by_value, reason = "a reference or two, and inlined")]
    pub(super) fn read<'a>(self, carrier: impl Fields<'a>, found: &mut Extracted<'a>) {
        let parent = match carrier.traceparent() {
            FieldValue::Absent => return,
            // §3.2: one header; of two, neither can be believed.
            FieldValue::Many => None,
            FieldValue::One(text) => SpanContext::from_traceparent(text).ok(),
        };
        let Some(parent) = parent else {
            found.malformed = true;
            return;
        };
        found.span_context = Some(parent);
        found.sampling = SamplingState::of_flag(parent.is_sampled());
        match carrier.tracestate() {
            FieldValue::Absent => found.tracestate = Cow::Borrowed(&[]),
            FieldValue::One(text) if text.len() <= MAX_TRACESTATE => found.tracestate = Cow::Borrowed(text),
            FieldValue::One(_) => found.lose_tracestate(),
            FieldValue::Many => match joined(carrier.carrier(), &TRACESTATE, MAX_TRACESTATE) {
                (text, true) => found.tracestate = text,
                (_, false) => found.lose_tracestate(),
            },
        }
    }

    #[inline]
    pub(super) fn inject_into<I: Injector + ?Sized>(self, context: &Context, allow: Allow, carrier: &mut I) {
        let span = context.span_context().filter(|_| allow.ids);
        let Some(span) = span else {
            carrier.remove(&TRACEPARENT);
            carrier.remove(&TRACESTATE);
            return;
        };
        carrier.set(&TRACEPARENT, &span.to_traceparent());
        match context.tracestate().filter(|_| allow.tracestate) {
            Some(state) => carrier.set_tracestate(&TRACESTATE, state),
            None => carrier.remove(&TRACESTATE),
        }
    }
}

impl Propagator for TraceContext {
    fn inject(&self, context: &Context, allow: Allow, carrier: &mut dyn Injector) {
        self.inject_into(context, allow, carrier);
    }

    fn extract<'a>(&self, carrier: &'a dyn Extractor) -> Extracted<'a> {
        let mut found = Extracted::NOTHING;
        self.read(carrier, &mut found);
        found
    }

    fn fields(&self) -> &[Field] {
        static FIELDS: [Field; 2] = [Field::new("traceparent"), Field::new("tracestate")];
        &FIELDS
    }
}

// === impl W3cBaggage ===

impl W3cBaggage {
    /// Reads on top of what other formats found before.
    #[inline(always)]
    #[expect(clippy::needless_pass_by_value, reason = "a reference or two, and inlined")]
    pub(super) fn read<'a>(self, carrier: impl Fields<'a>, found: &mut Extracted<'a>) {
        let baggage = match carrier.baggage() {
            FieldValue::Absent => return,
            FieldValue::One(text) => Cow::Borrowed(shortened(trim_list(text), Baggage::MAX_LENGTH)),
            // The limits hold for all lines together.
            FieldValue::Many => joined(carrier.carrier(), &BAGGAGE, Baggage::MAX_LENGTH).0,
        };
        if !baggage.is_empty() {
            found.baggage = baggage;
        }
    }

    #[inline]
    pub(super) fn inject_into<I: Injector + ?Sized>(self, context: &Context, allow: Allow, carrier: &mut I) {
        let text = if allow.baggage && context.has_baggage() { context.baggage().to_field() } else { String::new() };
        if text.is_empty() {
            carrier.remove(&BAGGAGE);
        } else {
            carrier.set(&BAGGAGE, text.as_bytes());
        }
    }
}

impl Propagator for W3cBaggage {
    fn inject(&self, context: &Context, allow: Allow, carrier: &mut dyn Injector) {
        self.inject_into(context, allow, carrier);
    }

    fn extract<'a>(&self, carrier: &'a dyn Extractor) -> Extracted<'a> {
        let mut found = Extracted::NOTHING;
        self.read(carrier, &mut found);
        found
    }

    fn fields(&self) -> &[Field] {
        std::slice::from_ref(&BAGGAGE)
    }
}

/// Writes both formats to headers. Fields that are there, because the request is sent again, are replaced in place; looking
/// for all three in one pass is cheaper than hashing each name to find that it is not there.
#[cfg(feature = "http")]
pub(super) fn inject_headers(context: &Context, allow: Allow, headers: &mut HeaderMap) {
    let span = context.span_context().filter(|_| allow.ids);
    let mut parent = span.and_then(|span| HeaderValue::from_bytes(&span.to_traceparent()).ok());
    let state = context.tracestate().filter(|_| parent.is_some() && allow.tracestate);
    let mut state = state.map(|state| state.text().header().clone());
    let baggage = (allow.baggage && context.has_baggage()).then(|| context.baggage().to_field());
    let mut baggage = baggage.filter(|text| !text.is_empty()).and_then(|text| HeaderValue::try_from(text).ok());
    let mut stale = false;
    for (name, place) in headers.iter_mut() {
        let name = name.as_str();
        let value = match name.len() {
            11 if name == "traceparent" => &mut parent,
            10 if name == "tracestate" => &mut state,
            7 if name == "baggage" => &mut baggage,
            _ => continue,
        };
        match value.take() {
            Some(value) => *place = value,
            None => stale = true,
        }
    }
    if stale {
        // Repeated, or not to be sent to this host.
        TraceContext.inject_into(context, allow, headers);
        return W3cBaggage.inject_into(context, allow, headers);
    }
    if let Some(value) = parent {
        put(headers, &TRACEPARENT, value);
    }
    if let Some(value) = state {
        put(headers, &TRACESTATE, value);
    }
    if let Some(value) = baggage {
        put(headers, &BAGGAGE, value);
    }
}

/// The lines in order, joined by commas, whole members as long as they fit, and whether all of them did.
#[cold]
fn joined<'a>(carrier: &'a dyn Extractor, field: &Field, most: usize) -> (Cow<'a, [u8]>, bool) {
    let mut text = Vec::new();
    let mut fits = true;
    carrier.each(field, &mut |line| {
        let line = trim_list(line);
        if !fits || line.is_empty() {
            return;
        }
        let comma = usize::from(!text.is_empty());
        let part = shortened(line, most.saturating_sub(text.len() + comma));
        fits = part.len() == line.len();
        if !part.is_empty() {
            text.extend_from_slice(&b","[..comma]);
            text.extend_from_slice(part);
        }
    });
    (text.into(), fits)
}

/// The whole members at the front that fit.
#[inline]
fn shortened(text: &[u8], most: usize) -> &[u8] {
    if text.len() <= most {
        return text;
    }
    let end = text[..=most].iter().rposition(|byte| *byte == b',');
    &text[..end.unwrap_or(0)]
}

/// Without what says nothing at either end of a list: blanks, tabs, empty members.
#[inline]
fn trim_list(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b',', rest @ ..] | [rest @ .., b' ' | b'\t' | b','] = text {
        text = rest;
    }
    text
}

/// More than 32 members of the longest kind cannot be valid.
const MAX_TRACESTATE: usize = TraceState::MAX_MEMBERS * (256 + 1 + 256 + 3);
