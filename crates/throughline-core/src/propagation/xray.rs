//! AWS X-Ray's tracing header.

use std::borrow::Cow;

use super::carrier::{Fields, Known};
use super::outbound::Outbound;
use super::pairs::Coding;
use super::wire::{Said, Wire, propagator};
use super::{Extracted, Field, Injector};
use crate::span_context::trim_blanks;
use crate::{SamplingState, SpanId, TraceId, hex};

/// AWS X-Ray
/// ([tracing header](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader)):
/// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
///
/// The parts may come in any order; those that nobody knows (`Self`, `Lineage`) are ignored, and do not become baggage.
/// `Sampled=?` and no `Sampled` are a *defer*. A root without a parent, as load balancers send it, is no span's identity,
/// but a trace that begins here takes its id. Pairs of baggage follow the ids as long as the header has no more than 256
/// bytes; they are not read back.
///
/// X-Ray can say *deny* and *accept* without ids, and has no word for *debug*.
///
/// ```
/// use throughline_core::propagation::XRay;
///
/// let header = b"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?";
/// let extracted = XRay::parse(header);
/// assert_eq!(extracted.span_context().unwrap().trace_id().to_string(), "5759e988bd862e3fe1be46a994272793");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum XRay {
    /// The header `X-Amzn-Trace-Id`.
    #[default]
    Header,
    /// The same, but what the variable `_X_AMZN_TRACE_ID` says goes before it when that is valid: inside AWS Lambda.
    Lambda,
    /// The message attribute `AWSTraceHeader` of SQS.
    Sqs,
}

propagator!(XRay);

// === impl XRay ===

impl XRay {
    /// Reads the text of a header, a variable or an attribute. What is malformed is marked so and finds nothing.
    #[must_use]
    pub fn parse(text: &[u8]) -> Extracted<'static> {
        let mut found = Extracted::NOTHING;
        read(text, &mut found);
        found
    }

    /// Bytes that are written at most.
    pub const MAX_LENGTH: usize = 256;

    const fn known(self) -> Known {
        match self {
            Self::Header | Self::Lambda => Known::XRay,
            Self::Sqs => Known::XRaySqs,
        }
    }
}

impl Wire for XRay {
    #[inline]
    fn read_trace<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        if self == Self::Lambda && read_variable(found) {
            return;
        }
        if let Some(text) = carrier.first(self.known()) {
            read(text, found);
        }
    }

    #[inline]
    fn write<I: Injector + ?Sized>(self, out: &mut Outbound<'_>, to: &mut I) {
        let sampled = match out.sampling() {
            SamplingState::Defer => "Sampled=?",
            SamplingState::Deny => "Sampled=0",
            SamplingState::Accept | SamplingState::Debug => "Sampled=1",
        };
        let Some(span) = out.span() else {
            if out.sampling() != SamplingState::Defer {
                to.set_static(self.known().field(), sampled);
            }
            return;
        };
        let mut text = *b"Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=?";
        let digits = span.trace_id().to_hex();
        text[7..15].copy_from_slice(&digits[..8]);
        text[16..40].copy_from_slice(&digits[8..]);
        hex::encode16(&mut text, 48, span.span_id().to_u64());
        text[IDS - 9..].copy_from_slice(sampled.as_bytes());
        let mut longer = Cow::Borrowed(&text[..]);
        out.each_pair(Coding::Url, 2, Self::MAX_LENGTH - IDS, |key, value| {
            if !RESERVED.contains(&key) {
                let longer = longer.to_mut();
                for part in [";", key, "=", value] {
                    longer.extend_from_slice(part.as_bytes());
                }
            }
        });
        to.set(self.known().field(), &longer);
    }

    fn fields(self) -> &'static [Field] {
        Known::between(self.known(), self.known())
    }

    fn id_bytes(self) -> usize {
        15 + IDS
    }

    fn most_bytes(self) -> usize {
        15 + Self::MAX_LENGTH
    }
}

/// Whether the variable of the function that runs now named a parent.
#[cold]
fn read_variable(found: &mut Extracted<'_>) -> bool {
    let Some(text) = std::env::var_os("_X_AMZN_TRACE_ID") else { return false };
    let before = found.span_context;
    found.span_context = None;
    read(text.as_encoded_bytes(), found);
    let is_there = found.span_context.is_some();
    found.span_context = found.span_context.or(before);
    is_there
}

#[inline]
fn read(text: &[u8], found: &mut Extracted<'_>) {
    let Some((root, parent, sampling)) = parts(text) else {
        found.malformed = true;
        return;
    };
    let said = match (root, parent) {
        (Some(trace_id), Some(span_id)) => Said::Parent(trace_id, span_id, sampling),
        // Nobody is the parent; what the balancer has begun goes on here.
        (Some(trace_id), None) => return found.find_trace_id(trace_id, sampling),
        (None, Some(_)) => Said::Malformed,
        (None, None) => Said::Sampling(sampling),
    };
    said.tell(found);
}

/// Root, parent and sampling; nothing if any part is malformed.
#[inline]
fn parts(text: &[u8]) -> Option<(Option<TraceId>, Option<SpanId>, SamplingState)> {
    if let Some(usual) = text.first_chunk::<IDS>().filter(|_| text.len() == IDS).and_then(usual) {
        return Some(usual);
    }
    let (mut root, mut parent, mut sampling) = (None, None, SamplingState::Defer);
    if text.len() > MOST {
        return None;
    }
    for part in text.split(|byte| *byte == b';').map(trim_blanks).filter(|part| !part.is_empty()) {
        match part {
            [b'R', b'o', b'o', b't', b'=', value @ ..] => root = Some(root_id(value)?),
            [b'P', b'a', b'r', b'e', b'n', b't', b'=', value @ ..] => parent = Some(SpanId::from_hex(value)?),
            [b'S', b'a', b'm', b'p', b'l', b'e', b'd', b'=', value @ ..] => {
                sampling = match value {
                    b"1" => SamplingState::Accept,
                    b"0" => SamplingState::Deny,
                    b"?" => SamplingState::Defer,
                    _ => return None,
                }
            }
            part => _ = part.iter().find(|byte| **byte == b'=')?,
        }
    }
    Some((root, parent, sampling))
}

/// As it is documented and as nearly everybody writes it; nothing if it is anything else.
#[inline]
fn usual(text: &[u8; IDS]) -> Option<(Option<TraceId>, Option<SpanId>, SamplingState)> {
    let names = text.starts_with(b"Root=1-") && text[15] == b'-';
    if !(names && text[40..48] == *b";Parent=" && text[64..73] == *b";Sampled=") {
        return None;
    }
    let mut decoder = hex::Decoder::default();
    let epoch = decoder.eight(hex::eight(text, 7));
    let (high, low) = (decoder.eight(hex::eight(text, 16)), decoder.sixteen(text, 24));
    let trace = (u128::from(epoch) << 96) | (u128::from(high) << 64) | u128::from(low);
    let span = decoder.sixteen(text, 48);
    let sampling = match text[73] {
        b'1' => SamplingState::Accept,
        b'0' => SamplingState::Deny,
        b'?' => SamplingState::Defer,
        _ => return None,
    };
    let ids = TraceId::from_u128(trace).zip(SpanId::from_u64(span)).filter(|_| decoder.is_sound());
    ids.map(|(trace, span)| (Some(trace), Some(span), sampling))
}

/// `1-{1 to 8 digits: seconds}-{24 digits}`.
#[inline]
fn root_id(value: &[u8]) -> Option<TraceId> {
    let rest = value.strip_prefix(b"1-")?;
    let (epoch, unique) = rest.split_at_checked(rest.len().checked_sub(25)?)?;
    let unique = unique.strip_prefix(b"-")?;
    if !(1..=8).contains(&epoch.len()) {
        return None;
    }
    let mut digits = [b'0'; 32];
    digits[8 - epoch.len()..8].copy_from_slice(epoch);
    digits[8..].copy_from_slice(unique);
    TraceId::from_hex(&digits)
}

/// Names that baggage may not have here.
const RESERVED: [&str; 5] = ["Root", "Parent", "Sampled", "Self", "Lineage"];
/// Bytes of root, parent and sampling as they are written.
const IDS: usize = 74;
/// Bytes that are read at most.
const MOST: usize = 1024;
