//! W3C trace context (levels 1 and 2) and W3C baggage.

use std::borrow::Cow;

#[cfg(feature = "http")]
use http::{HeaderMap, HeaderValue};

#[cfg(feature = "http")]
use super::carrier::put;
use super::carrier::{BAGGAGE, Fields, TRACEPARENT, TRACESTATE};
#[cfg(feature = "http")]
use super::counters::Counters;
use super::outbound::Outbound;
use super::wire::{Wire, propagator};
#[cfg(feature = "http")]
use super::{Allow, Propagator, outbound};
use super::{Extracted, Extractor, Field, FieldValue, Injector, W3C_MEMBER};
#[cfg(feature = "http")]
use crate::Context;
use crate::span_context::trim_blanks;
use crate::{Baggage, SamplingState, SpanContext, TraceState};

/// W3C `traceparent` and `tracestate` ([Trace Context](https://www.w3.org/TR/trace-context-2/)).
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceContext;

/// W3C `baggage` ([Baggage](https://www.w3.org/TR/baggage/)).
#[derive(Clone, Copy, Debug, Default)]
pub struct W3cBaggage;

propagator!(TraceContext);
propagator!(W3cBaggage);

// === impl TraceContext ===

impl Wire for TraceContext {
    #[inline(always)]
    fn read_trace<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
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
        if found.tracestate.starts_with(W3C_MEMBER.as_bytes()) {
            read_own_member(parent, found);
        }
    }

    #[inline]
    fn write<I: Injector + ?Sized>(self, out: &mut Outbound<'_>, to: &mut I) {
        let Some(span) = out.span() else { return };
        to.set(&TRACEPARENT, &span.to_traceparent());
        if let Some(state) = out.tracestate(span) {
            to.set_tracestate(&TRACESTATE, &state);
        }
    }

    fn fields(self) -> &'static [Field] {
        static FIELDS: [Field; 2] = [Field::new("traceparent"), Field::new("tracestate")];
        &FIELDS
    }

    fn id_bytes(self) -> usize {
        11 + 55
    }

    fn most_bytes(self) -> usize {
        self.id_bytes() + TRACESTATE.as_str().len() + TraceState::MAX_LENGTH
    }
}

/// Takes our own member out of the front. It is believed beside the `traceparent` of the span that it names: whoever made
/// another span has decided on it.
#[cold]
fn read_own_member(parent: SpanContext, found: &mut Extracted<'_>) {
    let end = found.tracestate.iter().position(|byte| *byte == b',').unwrap_or(found.tracestate.len());
    let Some(value) = found.tracestate[..end].strip_prefix(W3C_MEMBER.as_bytes()).and_then(|v| v.strip_prefix(b"="))
    else {
        return;
    };
    let names = |span: &[u8]| trim_blanks(span) == parent.span_id().to_hex();
    match (value.split_at_checked(6), parent.is_sampled()) {
        (Some((b"debug:", span)), true) if names(span) => found.sampling = SamplingState::Debug,
        (Some((b"defer:", span)), false) if names(span) => found.sampling = SamplingState::Defer,
        _ => {}
    }
    let rest = (end + 1).min(found.tracestate.len());
    found.tracestate = match &found.tracestate {
        Cow::Borrowed(text) => Cow::Borrowed(&text[rest..]),
        Cow::Owned(text) => Cow::Owned(text[rest..].to_vec()),
    };
}

// === impl W3cBaggage ===

impl Wire for W3cBaggage {
    #[inline(always)]
    fn read_baggage<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        let baggage = match carrier.baggage() {
            FieldValue::Absent => return,
            FieldValue::One(text) => {
                let text = trim_list(text);
                let part = shortened(text, Baggage::MAX_LENGTH);
                found.oversized |= part.len() < text.len();
                Cow::Borrowed(part)
            }
            // The limits hold for all lines together.
            FieldValue::Many => {
                let (text, fits) = joined(carrier.carrier(), &BAGGAGE, Baggage::MAX_LENGTH);
                found.oversized |= !fits;
                text
            }
        };
        if !baggage.is_empty() {
            found.baggage = baggage;
        }
    }

    #[inline]
    fn write<I: Injector + ?Sized>(self, out: &mut Outbound<'_>, to: &mut I) {
        if let Some(text) = out.baggage_field(BAGGAGE.as_str().len()) {
            to.set(&BAGGAGE, &text);
        }
    }

    fn fields(self) -> &'static [Field] {
        std::slice::from_ref(&BAGGAGE)
    }

    fn most_bytes(self) -> usize {
        BAGGAGE.as_str().len() + Baggage::MAX_LENGTH
    }
}

/// Writes both formats to headers. Fields that are there, because the request is sent again, are replaced in place; looking
/// for all three in one pass is cheaper than hashing each name to find that it is not there.
#[cfg(feature = "http")]
pub(super) fn inject_headers(context: &Context, allow: Allow, headers: &mut HeaderMap, counters: &Counters) {
    let mut out = Outbound::new(context, allow);
    let span = out.span();
    let mut parent = span.and_then(|span| HeaderValue::from_bytes(&span.to_traceparent()).ok());
    let state = span.filter(|_| allow.tracestate).and_then(|span| outbound::tracestate(context, span));
    let mut state = state.map(|state| state.text().header().clone());
    let baggage = out.baggage_field(BAGGAGE.as_str().len());
    let mut baggage = baggage.and_then(|text| match text {
        Cow::Borrowed(text) => HeaderValue::from_bytes(text).ok(),
        Cow::Owned(text) => HeaderValue::try_from(text).ok(),
    });
    if out.lost.baggage > 0 {
        counters.lost(out.lost);
    }
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
        TraceContext.inject(context, allow, headers);
        return W3cBaggage.inject(context, allow, headers);
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
