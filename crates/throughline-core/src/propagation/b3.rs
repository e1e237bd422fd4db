//! Zipkin's B3, in one header or in several.

use super::carrier::{Fields, Known};
use super::outbound::Outbound;
use super::wire::{Said, Wire, propagator};
use super::{Extracted, Field, Injector};
use crate::span_context::trim_blanks;
use crate::{SamplingState, SpanId, TraceId, hex};

/// B3, Zipkin's format ([b3-propagation](https://github.com/openzipkin/b3-propagation)): what is said is how it is
/// written; both ways are read.
///
/// The one header `b3` goes before the several `X-B3-…`, unless it is malformed. Of a repeated header the first line
/// counts. Ids are 16 or 32 lower-case digits; a trace id of 64 bits is padded on the left and goes on as one of 128.
/// The parent's id is checked in `b3`, kept nowhere, and never written.
///
/// B3 says all of [`SamplingState`], with ids and without: `b3: 0` alone is a *deny* for a trace that begins here.
///
/// ```
/// use std::collections::HashMap;
/// use throughline_core::SamplingState;
/// use throughline_core::propagation::{B3, Propagator};
///
/// let headers = HashMap::from([("b3".to_owned(), "0".to_owned())]);
/// let extracted = B3::Single.extract(&headers);
/// assert_eq!((extracted.span_context(), extracted.sampling_state()), (None, SamplingState::Deny));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum B3 {
    /// `b3`, OpenTelemetry's default, and the one for messages.
    #[default]
    Single,
    /// `X-B3-TraceId`, `X-B3-SpanId`, and `X-B3-Sampled` or `X-B3-Flags`.
    Multi,
}

propagator!(B3);

// === impl B3 ===

impl Wire for B3 {
    #[inline]
    fn read_trace<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        let single = carrier.first(Known::B3).map_or(Said::Nothing, |text| single(trim_blanks(text)));
        let said = match single {
            Said::Nothing => multi(carrier),
            Said::Malformed => {
                found.malformed = true;
                multi(carrier)
            }
            said => said,
        };
        said.tell(found);
    }

    #[inline]
    fn write<I: Injector + ?Sized>(self, out: &mut Outbound<'_>, to: &mut I) {
        match self {
            Self::Single => write_single(out, to),
            Self::Multi => write_multi(out, to),
        }
    }

    fn fields(self) -> &'static [Field] {
        static FIELDS: [Field; 6] = [
            Field::new("b3"),
            Field::spelled("x-b3-traceid", "X-B3-TraceId"),
            Field::spelled("x-b3-spanid", "X-B3-SpanId"),
            Field::spelled("x-b3-parentspanid", "X-B3-ParentSpanId"),
            Field::spelled("x-b3-sampled", "X-B3-Sampled"),
            Field::spelled("x-b3-flags", "X-B3-Flags"),
        ];
        // Both ways are read: whichever is not written must not stay behind.
        &FIELDS
    }

    fn id_bytes(self) -> usize {
        match self {
            Self::Single => 2 + SINGLE,
            Self::Multi => 12 + 32 + 11 + 16 + 12 + 1,
        }
    }
}

/// `{trace}-{span}[-{state}[-{parent}]]`, `{trace}-{span}-{parent}`, or a state alone.
#[inline(always)]
fn single(text: &[u8]) -> Said {
    if let Some(text) = text.first_chunk::<SINGLE>().filter(|_| text.len() == SINGLE) {
        return usual(text);
    }
    if let [state] = text {
        return letter(*state).map_or(Said::Malformed, Said::Sampling);
    }
    let digits = if text.get(32) == Some(&b'-') { 32 } else { 16 };
    let (Some(trace), Some(b'-'), Some(span)) =
        (text.get(..digits), text.get(digits), text.get(digits + 1..digits + 17))
    else {
        return Said::Malformed;
    };
    let sampling = match &text[digits + 17..] {
        [] => Some(SamplingState::Defer),
        [b'-', state] => letter(*state),
        [b'-', state, b'-', parent @ ..] if is_span(parent) => letter(*state),
        [b'-', parent @ ..] if is_span(parent) => Some(SamplingState::Defer),
        _ => None,
    };
    match (TraceId::from_hex(trace), SpanId::from_hex(span), sampling) {
        (Some(trace), Some(span), Some(sampling)) => Said::Parent(trace, span, sampling),
        _ => Said::Malformed,
    }
}

/// As nearly everybody writes it: 128 bits, and a state.
#[inline(always)]
fn usual(text: &[u8; SINGLE]) -> Said {
    let mut decoder = hex::Decoder::default();
    let trace = TraceId::from_u128(decoder.thirty_two(text, 0));
    let span = SpanId::from_u64(decoder.sixteen(text, 33));
    let sound = decoder.is_sound() && text[32] == b'-' && text[49] == b'-';
    match (trace, span, letter(text[50])) {
        (Some(trace), Some(span), Some(sampling)) if sound => Said::Parent(trace, span, sampling),
        _ => Said::Malformed,
    }
}

#[inline]
fn multi<'a>(carrier: &impl Fields<'a>) -> Said {
    let trace = carrier.first(Known::B3TraceId);
    let debug = carrier.first(Known::B3Flags).is_some_and(|flags| trim_blanks(flags) == b"1");
    let sampling = match carrier.first(Known::B3Sampled).map(trim_blanks) {
        _ if debug => SamplingState::Debug,
        None => SamplingState::Defer,
        Some(b"1") => SamplingState::Accept,
        Some(b"0") => SamplingState::Deny,
        Some(text) if text.eq_ignore_ascii_case(b"true") => SamplingState::Accept,
        Some(text) if text.eq_ignore_ascii_case(b"false") => SamplingState::Deny,
        // Brave: then nothing of it can be believed.
        Some(_) => return Said::Malformed,
    };
    match (trace, sampling) {
        (None, SamplingState::Defer) => Said::Nothing,
        (None, sampling) => Said::Sampling(sampling),
        (Some(trace), sampling) => {
            let trace = TraceId::from_hex(trim_blanks(trace));
            let span = carrier.first(Known::B3SpanId).and_then(|span| SpanId::from_hex(trim_blanks(span)));
            match (trace, span) {
                (Some(trace), Some(span)) => Said::Parent(trace, span, sampling),
                _ => Said::Malformed,
            }
        }
    }
}

#[inline]
fn letter(state: u8) -> Option<SamplingState> {
    match state {
        b'0' => Some(SamplingState::Deny),
        b'1' => Some(SamplingState::Accept),
        b'd' => Some(SamplingState::Debug),
        _ => None,
    }
}

/// The letter of a state, but for *defer*, which is said by silence.
#[inline]
const fn letter_of(state: SamplingState) -> Option<&'static str> {
    match state {
        SamplingState::Defer => None,
        SamplingState::Deny => Some("0"),
        SamplingState::Accept => Some("1"),
        SamplingState::Debug => Some("d"),
    }
}

fn is_span(digits: &[u8]) -> bool {
    SpanId::from_hex(digits).is_some()
}

#[inline]
fn write_single<I: Injector + ?Sized>(out: &mut Outbound<'_>, to: &mut I) {
    let letter = letter_of(out.sampling());
    match (out.span(), letter) {
        (None, None) => {}
        (None, Some(letter)) => to.set_static(Known::B3.field(), letter),
        (Some(span), letter) => {
            let mut text = [b'-'; SINGLE];
            hex::encode32(&mut text, 0, span.trace_id().to_u128());
            hex::encode16(&mut text, 33, span.span_id().to_u64());
            let length = match letter {
                None => SINGLE - 2,
                Some(letter) => {
                    text[SINGLE - 1] = letter.as_bytes()[0];
                    SINGLE
                }
            };
            to.set(Known::B3.field(), &text[..length]);
        }
    }
}

#[inline]
fn write_multi<I: Injector + ?Sized>(out: &mut Outbound<'_>, to: &mut I) {
    if let Some(span) = out.span() {
        to.set(Known::B3TraceId.field(), &span.trace_id().to_hex());
        to.set(Known::B3SpanId.field(), &span.span_id().to_hex());
    }
    match out.sampling() {
        SamplingState::Defer => {}
        // "Debug implies an accept decision, so don't also send the X-B3-Sampled header."
        SamplingState::Debug => to.set_static(Known::B3Flags.field(), "1"),
        SamplingState::Accept => to.set_static(Known::B3Sampled.field(), "1"),
        SamplingState::Deny => to.set_static(Known::B3Sampled.field(), "0"),
    }
}

/// Bytes of the longest value that is written.
const SINGLE: usize = 32 + 1 + 16 + 2;
