//! B3, X-Ray, Jaeger, OpenTracing, alone and all together.

use http::{HeaderMap, HeaderName, HeaderValue};
use throughline_core::propagation::{Allow, B3, Composite, Extracted, Format, Policy, Propagator, XRay};
use throughline_core::{Baggage, BaggageField, Context, SamplingState, SpanContext};

use crate::reference;

/// `b3`, and the several headers: one line each, in the order of `B3_NAMES`.
pub fn b3(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let carrier = carrier(B3_NAMES.iter().zip(&lines).filter(|(_, value)| !value.is_empty()));
    let found = B3::Single.extract(&carrier);
    let wanted = reference::b3(|name| value(&carrier, name));
    assert_eq!(said(&found), wanted.unwrap_or(NOTHING), "{carrier:?}");
    assert!(found.is_malformed() || wanted.is_some());
    for way in [B3::Single, B3::Multi] {
        passes(&way, &found, true);
    }
}

/// `X-Amzn-Trace-Id`.
pub fn xray(data: &[u8]) {
    let found = XRay::parse(data);
    let wanted = reference::xray(data);
    assert_eq!(found.is_malformed(), wanted.is_none(), "{}", data.escape_ascii());
    assert_eq!(said(&found), wanted.map_or(NOTHING, |(said, _)| said));
    assert_eq!(found.trace_id().map(throughline_core::TraceId::to_u128), wanted.and_then(|(_, root)| root));
    passes(&XRay::Header, &found, found.sampling_state() != SamplingState::Debug);
}

/// `uber-trace-id` in the first line, pairs in the others.
pub fn jaeger(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let mut carrier = carrier([("uber-trace-id", &first)].into_iter());
    for (at, line) in lines.take(100).enumerate() {
        let name = if at % 9 == 8 { "jaeger-baggage".to_owned() } else { format!("uberctx-k{at}") };
        carrier.push((name, String::from_utf8_lossy(line).into_owned()));
    }
    let found = throughline_core::propagation::Jaeger.extract(&carrier);
    if first.is_ascii() {
        let wanted = reference::jaeger(first);
        assert_eq!(said(&found), wanted.unwrap_or(NOTHING), "{}", first.escape_ascii());
    }
    within_limits(&found);
    let known = found.span_context().is_some() && found.sampling_state() != SamplingState::Defer;
    passes(&throughline_core::propagation::Jaeger, &found, known);
}

/// `ot-tracer-*` in the first three lines, pairs in the others.
pub fn ot_trace(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let mut carrier = carrier(OT_NAMES.iter().zip(&lines).filter(|(_, value)| !value.is_empty()));
    for (at, line) in lines.iter().skip(3).take(100).enumerate() {
        carrier.push((format!("OT-Baggage-K{at}"), String::from_utf8_lossy(line).into_owned()));
    }
    let found = throughline_core::propagation::OtTrace.extract(&carrier);
    within_limits(&found);
    assert!(found.span_context().is_some() || found.to_context(&Context::ROOT).baggage().is_empty());
    let mut out: Vec<(String, String)> = Vec::new();
    throughline_core::propagation::OtTrace.inject(&found.to_context(&Context::ROOT), Allow::ALL, &mut out);
    let again = throughline_core::propagation::OtTrace.extract(&out);
    if let Some(span) = found.span_context().filter(|span| span.trace_id().to_u128() as u64 != 0) {
        let read = again.span_context().expect("what was written is read");
        assert_eq!(
            (read.span_id(), read.trace_id().to_u128() as u64),
            (span.span_id(), span.trace_id().to_u128() as u64)
        );
        assert_eq!(again.sampling_state(), found.sampling_state());
    }
}

/// Every format at once: the first byte chooses order, policy, budget and fields; the lines are as in `carriers`.
pub fn formats(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let mut all: Vec<Format> = Format::NAMES.iter().filter_map(|name| Format::by_name(name)).collect();
    all.rotate_left(usize::from(choice & 7));
    let mut composite = Composite::new(all);
    if choice & 8 != 0 {
        composite = composite.policy(Policy::FirstWins);
    }
    let budget = if choice & 16 != 0 { 700 } else { Composite::OUTBOUND_BUDGET };
    composite = composite.outbound_budget(budget);
    if choice & 32 != 0 {
        static FIELD: BaggageField = BaggageField::remote("k");
        composite = composite.baggage_fields([&FIELD]);
    }
    let mut headers = HeaderMap::new();
    let mut list: Vec<(String, String)> = Vec::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let Some((first, value)) = line.split_first() else { continue };
        let name = NAMES[usize::from(*first) % NAMES.len()];
        let (Ok(value), Ok(text)) = (HeaderValue::from_bytes(value), std::str::from_utf8(value)) else { continue };
        headers.append(HeaderName::from_static(name), value);
        list.push((name.to_uppercase(), text.to_owned()));
    }
    let found = composite.extract_headers(&headers);
    let alone: &dyn Propagator = &composite;
    for other in [composite.extract_from(&headers), alone.extract(&headers), composite.extract_from(&list)] {
        assert_eq!(said(&other), said(&found));
        assert_eq!(other.trace_id(), found.trace_id());
        let (one, other) = (other.to_context(&Context::ROOT), found.to_context(&Context::ROOT));
        assert_eq!(one.tracestate(), other.tracestate());
        // Which pairs there was no room for depends on their order, which repeated headers do not keep.
        assert!(found.is_oversized() || one.baggage().len() == other.baggage().len());
    }
    within_limits(&found);
    let context = found.to_context(&Context::ROOT);
    for allow in [Allow::ALL, Allow::NONE] {
        let mut sent = headers.clone();
        composite.inject_headers(&context, allow, &mut sent);
        composite.inject_headers(&context, allow, &mut sent);
        let mut written = 0;
        for name in sent.keys() {
            assert_eq!(sent.get_all(name).iter().count(), 1, "one of each field: {name}");
            written += name.as_str().len() + sent[name].len();
        }
        assert!(written <= budget.max(700), "{written} of {budget}");
        assert!(allow != Allow::NONE || sent.is_empty(), "nothing is told, and nothing stays: {sent:?}");
        let mut map = list.clone();
        composite.inject_into(&context, allow, &mut map);
        assert_eq!(map.len(), sent.len(), "every carrier gets the same");
        for (name, value) in &map {
            assert_eq!(sent[&name.to_lowercase()].as_bytes(), value.as_bytes(), "{name}");
        }
    }
}

fn carrier<'a>(lines: impl Iterator<Item = (impl ToString, &'a &'a [u8])>) -> Vec<(String, String)> {
    lines.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value).into_owned())).collect()
}

fn value(carrier: &[(String, String)], name: &str) -> Option<String> {
    carrier.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

fn ids(span: SpanContext) -> (u128, u64) {
    (span.trace_id().to_u128(), span.span_id().to_u64())
}

fn said(found: &Extracted<'_>) -> (Option<(u128, u64)>, SamplingState) {
    (found.span_context().map(ids), found.sampling_state())
}

/// What was read is written, and reads the same.
fn passes(format: &dyn Propagator, found: &Extracted<'_>, state_is_kept: bool) {
    let context = found.to_context(&Context::ROOT);
    let mut out: Vec<(String, String)> = Vec::new();
    format.inject(&context, Allow::TRACE, &mut out);
    let again = format.extract(&out);
    assert_eq!(again.span_context().map(ids), found.span_context().map(ids), "{out:?}");
    assert!(!again.is_malformed(), "{out:?}");
    if state_is_kept {
        assert_eq!(again.sampling_state(), found.sampling_state(), "{out:?}");
    }
}

fn within_limits(found: &Extracted<'_>) {
    let baggage = found.to_context(&Context::ROOT).baggage();
    assert!(baggage.len() <= Baggage::MAX_MEMBERS);
    let bytes: usize = baggage.iter().map(|member| member.key().len() + 1 + member.value().len()).sum();
    assert!(bytes <= Baggage::MAX_LENGTH);
}

const NOTHING: (Option<(u128, u64)>, SamplingState) = (None, SamplingState::Defer);
const B3_NAMES: [&str; 5] = ["b3", "X-B3-TraceId", "X-B3-SpanId", "X-B3-Sampled", "X-B3-Flags"];
const OT_NAMES: [&str; 3] = ["ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"];
const NAMES: [&str; 20] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-amzn-trace-id",
    "uber-trace-id",
    "uberctx-k",
    "uberctx-l",
    "jaeger-baggage",
    "jaeger-debug-id",
    "ot-tracer-traceid",
    "ot-tracer-spanid",
    "ot-tracer-sampled",
    "ot-baggage-k",
    "traceparent",
];
