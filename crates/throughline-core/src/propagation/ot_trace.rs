//! OpenTracing's basic format, which Lightstep's tracers spoke.

use super::carrier::{Fields, Known, OT_BAGGAGE};
use super::outbound::Outbound;
use super::pairs::{self, Coding, Pairs};
use super::wire::{Said, Wire, propagator};
use super::{Extracted, Field, Injector};
use crate::span_context::trim_blanks;
use crate::{Baggage, SamplingState, SpanId, TraceId, hex};

/// OpenTracing (`ottrace`, deprecated): `ot-tracer-traceid`, `ot-tracer-spanid`, `ot-tracer-sampled`, and baggage in
/// `ot-baggage-{key}` beside them.
///
/// A trace id of 128 bits leaves with its right half only: **a trace that passes through this format does not keep its
/// id.** Short ids are padded on the left: some tracers do not write leading zeros. Values of baggage are written and read
/// as they are; those that are not printable ASCII do not leave. Baggage is read only if the ids are valid. There is no word
/// for *debug*.
///
/// ```
/// use throughline_core::propagation::{OtTrace, Propagator};
///
/// let names: Vec<_> = OtTrace.fields().iter().map(|field| field.as_str()).collect();
/// assert_eq!(names, ["ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct OtTrace;

propagator!(OtTrace);

// === impl OtTrace ===

impl Wire for OtTrace {
    #[inline]
    fn read_trace<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        said(carrier).tell(found);
    }

    #[inline]
    fn read_baggage<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        if carrier.may_have_prefixed() && matches!(said(carrier), Said::Parent(..)) {
            let mut pairs = Pairs::new(Coding::Raw);
            carrier.carrier().each_prefixed(OT_BAGGAGE, &mut |name, value| pairs.push_field(OT_BAGGAGE, name, value));
            pairs.tell(found);
        }
    }

    #[inline]
    fn write<I: Injector + ?Sized>(self, out: &mut Outbound<'_>, to: &mut I) {
        // The right half may be zero, which is no id.
        let span = out.span().filter(|span| span.trace_id().to_u128() as u64 != 0);
        if let Some(span) = span {
            to.set(Known::OtTraceId.field(), &span.trace_id().to_hex()[16..]);
            to.set(Known::OtSpanId.field(), &span.span_id().to_hex());
        }
        match out.sampling() {
            SamplingState::Defer => {}
            SamplingState::Deny => to.set_static(Known::OtSampled.field(), "false"),
            SamplingState::Accept | SamplingState::Debug => to.set_static(Known::OtSampled.field(), "true"),
        }
        if span.is_some() {
            pairs::write_fields(OT_BAGGAGE, Coding::Raw, out, to);
        }
    }

    fn fields(self) -> &'static [Field] {
        Known::between(Known::OtTraceId, Known::OtSampled)
    }

    fn prefixes(self) -> &'static [&'static str] {
        &[OT_BAGGAGE]
    }

    fn id_bytes(self) -> usize {
        17 + 16 + 16 + 16 + 17 + 5
    }

    fn most_bytes(self) -> usize {
        self.id_bytes() + Baggage::MAX_LENGTH
    }
}

#[inline]
fn said<'a>(carrier: &impl Fields<'a>) -> Said {
    let sampling = match carrier.first(Known::OtSampled).map(trim_blanks) {
        None => SamplingState::Defer,
        Some(b"true" | b"1") => SamplingState::Accept,
        Some(b"false" | b"0") => SamplingState::Deny,
        Some(_) => return Said::Malformed,
    };
    let Some(trace) = carrier.first(Known::OtTraceId) else { return Said::Sampling(sampling) };
    let span = carrier.first(Known::OtSpanId).map(trim_blanks).filter(|span| span.len() <= 16);
    let span = span.and_then(hex::padded).and_then(|value| SpanId::from_u64(value as u64));
    match (hex::padded(trim_blanks(trace)).and_then(TraceId::from_u128), span) {
        (Some(trace), Some(span)) => Said::Parent(trace, span, sampling),
        _ => Said::Malformed,
    }
}
