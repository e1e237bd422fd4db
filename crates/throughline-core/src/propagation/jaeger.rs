//! Jaeger's own format.

use super::carrier::{Fields, Known, UBERCTX};
use super::outbound::Outbound;
use super::pairs::{self, Coding, Pairs};
use super::wire::{Said, Wire, propagator};
use super::{Extracted, Field, Injector};
use crate::span_context::trim_blanks;
use crate::{Baggage, SamplingState, SpanId, TraceId, hex};

/// Jaeger ([propagation format](https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format), deprecated):
/// `uber-trace-id: {trace}:{span}:{parent}:{flags}`, and baggage in `uberctx-{key}`.
///
/// Ids may be short, and are padded on the left. Flags are one or two hexadecimal digits: bit 0 *sampled*, bit 1
/// *debug*, which counts only beside it. The parent is ignored, and written as 0. Where there is no colon the value was
/// URL-encoded. `jaeger-debug-id` asks for a trace that is recorded whatever the sampler says. Pairs come in `uberctx-…`
/// and in `jaeger-baggage: k=v,k=v`, and leave in the former.
///
/// Jaeger cannot say *defer*; without ids it can only say *debug*.
///
/// ```
/// use std::collections::HashMap;
/// use throughline_core::SamplingState;
/// use throughline_core::propagation::{Jaeger, Propagator};
///
/// let headers = HashMap::from([("uber-trace-id".to_owned(), "4bf92:f067:0:3".to_owned())]);
/// assert_eq!(Jaeger.extract(&headers).sampling_state(), SamplingState::Debug);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Jaeger;

propagator!(Jaeger);

// === impl Jaeger ===

impl Wire for Jaeger {
    #[inline]
    fn read_trace<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        let said = match carrier.first(Known::Uber).map(identity) {
            Some(Some((trace_id, span_id, sampling))) => Said::Parent(trace_id, span_id, sampling),
            Some(None) => Said::Malformed,
            None => match carrier.first(Known::JaegerDebug).map(trim_blanks) {
                None | Some([]) => Said::Nothing,
                Some(_) => Said::Sampling(SamplingState::Debug),
            },
        };
        said.tell(found);
    }

    #[inline]
    fn read_baggage<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        let list = carrier.first(Known::JaegerBaggage);
        if list.is_some() || carrier.may_have_prefixed() {
            read_pairs(list, carrier, found);
        }
    }

    #[inline]
    fn write<I: Injector + ?Sized>(self, out: &mut Outbound<'_>, to: &mut I) {
        let flags = match out.sampling() {
            SamplingState::Defer | SamplingState::Deny => b'0',
            SamplingState::Accept => b'1',
            SamplingState::Debug => b'3',
        };
        match out.span() {
            Some(span) => {
                let mut text = [b':'; LENGTH];
                hex::encode32(&mut text, 0, span.trace_id().to_u128());
                hex::encode16(&mut text, 33, span.span_id().to_u64());
                text[50] = b'0';
                text[52] = flags;
                to.set(Known::Uber.field(), &text);
            }
            None if out.sampling() == SamplingState::Debug => to.set_static(Known::JaegerDebug.field(), "debug"),
            None => {}
        }
        pairs::write_fields(UBERCTX, Coding::Url, out, to);
    }

    fn fields(self) -> &'static [Field] {
        Known::between(Known::Uber, Known::JaegerBaggage)
    }

    fn prefixes(self) -> &'static [&'static str] {
        &[UBERCTX]
    }

    fn id_bytes(self) -> usize {
        13 + LENGTH
    }

    fn most_bytes(self) -> usize {
        self.id_bytes() + Baggage::MAX_LENGTH
    }
}

type Identity = (TraceId, SpanId, SamplingState);

#[inline]
fn identity(text: &[u8]) -> Option<Identity> {
    if let Some(whole) = text.first_chunk::<LENGTH>().filter(|_| text.len() == LENGTH) {
        if let [b':', b'0'..=b'9' | b'a'..=b'f', b':', flags @ b'0'..=b'9'] = whole[LENGTH - 4..] {
            // What is not quite so may be short ids with blanks around.
            if let Some(found) = usual(whole, flags - b'0') {
                return Some(found);
            }
        }
    }
    let text = trim_blanks(text);
    if text.len() > MOST {
        return None;
    }
    if text.contains(&b':') { split(text) } else { split(&decoded(text)?) }
}

/// As nearly everybody writes it: ids of full length, and a digit for each of the others.
#[inline]
fn usual(text: &[u8; LENGTH], flags: u8) -> Option<Identity> {
    let mut decoder = hex::Decoder::default();
    let trace = TraceId::from_u128(decoder.thirty_two(text, 0))?;
    let span = SpanId::from_u64(decoder.sixteen(text, 33))?;
    (decoder.is_sound() && text[32] == b':').then(|| (trace, span, sampling(flags.into())))
}

#[inline]
fn sampling(flags: u128) -> SamplingState {
    match flags & 3 {
        1 => SamplingState::Accept,
        3 => SamplingState::Debug,
        _ => SamplingState::Deny,
    }
}

fn split(text: &[u8]) -> Option<Identity> {
    let mut fields = text.split(|byte| *byte == b':');
    let (trace, span, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || parent.len() > 16 {
        return None;
    }
    let (trace, span) = (number::<32>(trace)?, number::<16>(span)? as u64);
    Some((TraceId::from_u128(trace)?, SpanId::from_u64(span)?, sampling(number::<2>(flags)?)))
}

/// One to `MOST` lower-case digits.
#[inline]
fn number<const MOST: usize>(digits: &[u8]) -> Option<u128> {
    if digits.len() > MOST { None } else { hex::padded(digits) }
}

/// With `%3A` and the like as what they stand for.
#[cold]
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let decoded = crate::baggage::decode(text).into_owned().into_bytes();
    decoded.contains(&b':').then_some(decoded)
}

fn read_pairs<'a>(list: Option<&'a [u8]>, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
    let mut pairs = Pairs::new(Coding::Url);
    if carrier.may_have_prefixed() {
        carrier.carrier().each_prefixed(UBERCTX, &mut |name, value| pairs.push_field(UBERCTX, name, value));
    }
    // Whole pairs within the limit, by one look at all of it before it is taken apart.
    let list = list.unwrap_or_default();
    if list.len() > Baggage::MAX_LENGTH {
        found.oversized = true;
    } else {
        for pair in list.split(|byte| *byte == b',') {
            if let Some(equals) = pair.iter().position(|byte| *byte == b'=') {
                pairs.push(trim_blanks(&pair[..equals]), trim_blanks(&pair[equals + 1..]));
            }
        }
    }
    pairs.tell(found);
}

/// Bytes of the value that is written.
const LENGTH: usize = 32 + 1 + 16 + 1 + 1 + 1 + 1;
/// Bytes that are read at most: all colons encoded, and every id's field full.
const MOST: usize = 128;
