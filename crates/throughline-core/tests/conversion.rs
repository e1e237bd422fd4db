//! What survives from any format to any other: ids, sampling, baggage, as the table in `propagation` says.

mod common;

use common::{P, T};
use proptest::prelude::*;
use throughline_core::propagation::{Allow, B3, Composite, Extracted, Format, XRay};
use throughline_core::{Baggage, Context, DurableContext, SamplingState, SpanContext, SpanId, TraceFlags, TraceId};

use SamplingState::{Accept, Debug, Defer, Deny};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    W3c,
    B3Single,
    B3Multi,
    XRay,
    Sqs,
    Jaeger,
    OtTrace,
    Durable,
}

const KINDS: [Kind; 8] =
    [Kind::W3c, Kind::B3Single, Kind::B3Multi, Kind::XRay, Kind::Sqs, Kind::Jaeger, Kind::OtTrace, Kind::Durable];
const STATES: [SamplingState; 4] = [Defer, Deny, Accept, Debug];

impl Kind {
    fn composite(self) -> Option<Composite> {
        Some(Composite::new(match self {
            Self::W3c => vec![Format::TraceContext, Format::Baggage],
            Self::B3Single => vec![Format::B3(B3::Single)],
            Self::B3Multi => vec![Format::B3(B3::Multi)],
            Self::XRay => vec![Format::XRay(XRay::Header)],
            Self::Sqs => vec![Format::XRay(XRay::Sqs)],
            Self::Jaeger => vec![Format::Jaeger],
            Self::OtTrace => vec![Format::OtTrace],
            Self::Durable => return None,
        }))
    }

    /// Through the format and back.
    fn passes(self, context: &Context) -> Context {
        let Some(composite) = self.composite() else {
            return DurableContext::of(context)
                .to_string()
                .parse::<DurableContext>()
                .expect("its own text")
                .to_context();
        };
        let mut carrier: Vec<(String, String)> = Vec::new();
        composite.inject_into(context, Allow::ALL, &mut carrier);
        let after = composite.extract_from(&carrier).to_context(&Context::ROOT);
        let mut headers = http::HeaderMap::new();
        composite.inject_headers(context, Allow::ALL, &mut headers);
        let same = composite.extract_headers(&headers).to_context(&Context::ROOT);
        assert_eq!(what(&same), what(&after), "{self:?}: headers are a carrier as others are");
        after
    }

    /// The documented table.
    fn keeps(self, (ids, state): (bool, SamplingState)) -> (bool, SamplingState) {
        let state = match (self, ids, state) {
            (Self::W3c | Self::Durable | Self::B3Single | Self::B3Multi, true, state)
            | (Self::Durable | Self::B3Single | Self::B3Multi, false, state) => state,
            (Self::W3c, false, _) => Defer,
            (Self::XRay | Self::Sqs | Self::OtTrace, _, Debug) => Accept,
            (Self::XRay | Self::Sqs | Self::OtTrace, _, state) => state,
            (Self::Jaeger, true, Defer) => Deny,
            (Self::Jaeger, true, state) | (Self::Jaeger, false, state @ Debug) => state,
            (Self::Jaeger, false, _) => Defer,
        };
        (ids, state)
    }
}

fn context((ids, state): (bool, SamplingState), span: SpanContext) -> Context {
    let found = match ids {
        true => Extracted::NOTHING.with_parent(span, state),
        false => Extracted::NOTHING.with_sampling(state),
    };
    found.to_context(&Context::ROOT)
}

fn span(state: SamplingState) -> SpanContext {
    SpanContext::new(
        T.parse().expect("valid"),
        P.parse().expect("valid"),
        TraceFlags::NONE.with_sampled(state.is_sampled()),
    )
}

fn what(context: &Context) -> (Option<SpanContext>, SamplingState, Baggage) {
    (context.span_context(), context.sampling_state(), context.baggage())
}

#[test]
fn what_is_known_about_sampling_survives_between_any_two_formats() {
    let mut converted = 0;
    for from in KINDS {
        for to in KINDS {
            for said in [true, false].into_iter().flat_map(|ids| STATES.map(|state| (ids, state))) {
                let before = context(said, span(said.1));
                let after = to.passes(&from.passes(&before));
                let wanted = to.keeps(from.keeps(said));
                let found = (after.span_context().is_some(), after.sampling_state());
                assert_eq!(found, wanted, "{said:?} from {from:?} to {to:?}");
                if let Some(after) = after.span_context() {
                    let whole = from != Kind::OtTrace && to != Kind::OtTrace;
                    let wanted: TraceId = if whole { T.parse().unwrap() } else { right_half() };
                    assert_eq!((after.trace_id(), after.span_id()), (wanted, P.parse().unwrap()));
                    assert_eq!(after.is_sampled(), found.1.is_sampled(), "the flag and the state agree");
                }
                converted += 1;
            }
        }
    }
    assert_eq!(converted, 8 * 8 * 8);
}

fn right_half() -> TraceId {
    TraceId::from_u128(T.parse::<TraceId>().expect("valid").to_u128() & u128::from(u64::MAX)).expect("valid")
}

#[test]
fn the_member_of_our_own_is_believed_only_beside_its_span() {
    let w3c = Composite::w3c();
    let read = |traceparent: &str, tracestate: &str| {
        let lines =
            vec![("traceparent".to_owned(), traceparent.to_owned()), ("tracestate".to_owned(), tracestate.to_owned())];
        let context = w3c.extract_from(&lines).to_context(&Context::ROOT);
        (context.sampling_state(), context.tracestate().map(ToString::to_string).unwrap_or_default())
    };
    let (yes, no) = (format!("00-{T}-{P}-01"), format!("00-{T}-{P}-00"));
    for (parent, state, wanted, rest, why) in [
        (&yes, format!("throughline=debug:{P},a=1"), Debug, "a=1", "in front and of this span"),
        (&no, format!("throughline=defer:{P}"), Defer, "", "alone"),
        (&yes, format!("throughline=debug:{P} , a=1"), Debug, " a=1", "blanks"),
        (&yes, "throughline=debug:1111111111111111,a=1".into(), Accept, "a=1", "of another span: stale"),
        (&no, format!("throughline=debug:{P},a=1"), Deny, "a=1", "the bit says otherwise"),
        (&yes, format!("throughline=defer:{P},a=1"), Accept, "a=1", "the bit says otherwise"),
        (&yes, format!("a=1,throughline=debug:{P}"), Accept, "a=1,throughline=debug:", "somebody moved before it"),
        (&yes, format!("throughline=what:{P},a=1"), Accept, "a=1", "a word of a later version"),
        (&yes, "throughline=,a=1".into(), Accept, "a=1", "nothing"),
        (&yes, format!("throughline2=debug:{P},a=1"), Accept, "throughline2=debug:", "another key"),
        (&yes, "throughline".into(), Accept, "", "no member at all"),
    ] {
        let (found, left) = read(parent, &state);
        assert_eq!(found, wanted, "{why}: {state}");
        assert!(left.starts_with(rest.trim_start()) || left == rest, "{why}: {state} left {left:?}");
    }
    // Once a span was made between, it is gone.
    let lines = vec![("traceparent".to_owned(), yes), ("tracestate".to_owned(), format!("throughline=debug:{P},a=1"))];
    let (tracer, _) = common::recorder();
    let extracted = tracer.propagator().extract_from(&lines);
    let span = extracted.to_context(&Context::ROOT).scope(|| tracer.span("x").start());
    let mut out: Vec<(String, String)> = Vec::new();
    w3c.inject_into(&span.context(), Allow::ALL, &mut out);
    let id = span.span_context().unwrap().span_id();
    let state = &out.iter().find(|(name, _)| name == "tracestate").unwrap().1;
    assert_eq!(*state, format!("throughline=debug:{id},a=1"), "the debug trace goes on, under the new span");
    let mut out: Vec<(String, String)> = Vec::new();
    w3c.inject_into(&span.context(), Allow { tracestate: false, ..Allow::ALL }, &mut out);
    assert_eq!(out.len(), 1, "no tracestate where none is allowed");
}

fn ids() -> impl Strategy<Value = SpanContext> {
    (any::<u128>(), any::<u64>(), 0..4_u8).prop_map(|(trace, span, flags)| {
        let (trace, span) = (TraceId::from_u128(trace | 1), SpanId::from_u64(span | 1));
        SpanContext::new(trace.expect("not zero"), span.expect("not zero"), TraceFlags::from_bits(flags))
    })
}

proptest! {
    #[test]
    fn ids_and_pairs_pass_through_every_format(
        span in ids(),
        key in "[a-z][a-z0-9_-]{0,20}",
        value in "[ -~é€]{0,60}",
        state in 0..4_usize,
    ) {
        let state = STATES[state];
        let flags = span.flags().with_sampled(state.is_sampled());
        let span = SpanContext::new(span.trace_id(), span.span_id(), flags);
        let baggage = Baggage::new().with(&key, &value).unwrap();
        let before = context((true, state), span).with_baggage(baggage.clone());
        for kind in KINDS {
            let after = kind.passes(&before);
            prop_assert_eq!(after.sampling_state(), kind.keeps((true, state)).1);
            let found = after.span_context().unwrap();
            prop_assert_eq!(found.span_id(), span.span_id());
            let pairs = after.baggage();
            if kind == Kind::OtTrace {
                prop_assert_eq!(found.trace_id().to_u128() as u64, span.trace_id().to_u128() as u64);
                let plain = value.is_ascii() && value.trim_matches(' ') == value;
                prop_assert_eq!(pairs.get(&key), plain.then_some(&*value), "raw, or not at all");
                continue;
            }
            prop_assert_eq!(found.trace_id(), span.trace_id());
            match kind {
                Kind::W3c | Kind::Durable => {
                    prop_assert_eq!(found.flags(), flags, "the random flag, too");
                    prop_assert_eq!(pairs, baggage.clone());
                }
                Kind::Jaeger => prop_assert_eq!(pairs.get(&key), Some(&*value)),
                _ => prop_assert!(pairs.is_empty()),
            }
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_means_what_it_says(at in 0..200_usize, byte in 0x20..0x7f_u8, kind in 0..7_usize) {
        let kind = KINDS[kind];
        let composite = kind.composite().unwrap();
        let mut carrier: Vec<(String, String)> = Vec::new();
        composite.inject_into(&context((true, Accept), span(Accept)), Allow::ALL, &mut carrier);
        let line = at % carrier.len();
        let value = &mut carrier[line].1;
        let at = at % value.len();
        value.replace_range(at..=at, &char::from(byte).to_string());
        let read = composite.extract_from(&carrier);
        if let Some(parent) = read.span_context() {
            // What was accepted is written as one would write it, and reads the same.
            let context = read.to_context(&Context::ROOT);
            let again = kind.passes(&context);
            prop_assert_eq!(again.span_context(), Some(parent));
            prop_assert_eq!(again.sampling_state(), kind.keeps((true, read.sampling_state())).1);
        }
    }
}
