//! Who is recorded: parents, decisions without ids, shares of traces.

mod common;

use common::{Job, SAMPLED, UNSAMPLED, recorder_with, remote, written};
use proptest::prelude::*;
use throughline_core::propagation::{Allow, Extracted};
use throughline_core::{
    AlwaysOff, AlwaysOn, Context, Instrumenter, Key, ParentBased, Sampler, SamplingDecision, SamplingInput,
    SamplingState, SpanContext, SpanEnd, SpanId, SpanKind, TraceFlags, TraceId, TraceIdRatio, TraceState, Tracer,
    Value,
};

/// Whether a span below this context is recorded, and what its context says.
fn sampled(sampler: impl Sampler, parent: &Context) -> (bool, SamplingState) {
    let (tracer, memory) = recorder_with(|builder| builder.sampler(sampler));
    let span = tracer.span("span").parent(parent).start();
    let (context, flag) = (span.context(), span.span_context().expect("the test's own input is valid").is_sampled());
    span.end(SpanEnd::Completed);
    assert_eq!(memory.spans().len(), usize::from(flag), "what is sampled is recorded, and nothing else");
    assert_eq!(context.is_sampled(), flag);
    (flag, context.sampling_state())
}

#[test]
fn parents_decide_and_roots_are_asked_about() {
    let local = |text| Context::ROOT.with_span_context(remote(text).with_remote(false));
    let from_wire = |text, state| Extracted::NOTHING.with_parent(remote(text), state).to_context(&Context::ROOT);
    let lone = |state| Context::ROOT.with_sampling_state(state);
    use SamplingState::{Accept, Debug, Defer, Deny};
    for (parent, by_on, by_off, why) in [
        (Context::ROOT, Accept, Deny, "no parent"),
        (from_wire(SAMPLED, Accept), Accept, Accept, "remote, sampled"),
        (from_wire(UNSAMPLED, Deny), Deny, Deny, "remote, not sampled"),
        (local(SAMPLED), Accept, Accept, "local, sampled"),
        (local(UNSAMPLED), Deny, Deny, "local, not sampled"),
        (from_wire(UNSAMPLED, Defer), Accept, Deny, "remote, left open: X-Ray's `?`"),
        (from_wire(SAMPLED, Debug), Debug, Debug, "remote, debug: B3's `d`"),
        (lone(Deny), Deny, Deny, "no ids, deny: B3's lone `0`"),
        (lone(Accept), Accept, Accept, "no ids, accept: B3's lone `1`"),
        (lone(Debug), Debug, Debug, "no ids, debug: B3's lone `d`"),
        (lone(Defer), Accept, Deny, "no ids, nothing said"),
    ] {
        assert_eq!(sampled(ParentBased::new(AlwaysOn), &parent), (by_on.is_sampled(), by_on), "{why}: on");
        assert_eq!(sampled(ParentBased::new(AlwaysOff), &parent), (by_off.is_sampled(), by_off), "{why}: off");
        assert!(sampled(AlwaysOn, &parent).0 && !sampled(AlwaysOff, &parent).0, "{why}: the others do not ask");
    }
}

#[test]
fn a_parent_may_be_believed_but_for_its_decision() {
    for (text, why) in [(SAMPLED, "it wanted to be recorded"), (UNSAMPLED, "it did not")] {
        let said = Extracted::NOTHING.with_parent(remote(text), SamplingState::of_flag(remote(text).is_sampled()));
        let believed = said.with_tracestate(&b"a=1"[..]).with_baggage(&b"k=v"[..]).without_sampling();
        assert_eq!(believed.sampling_state(), SamplingState::Defer, "{why}");
        let passed_on = believed.to_context(&Context::ROOT);
        assert_eq!(passed_on.span_context().map(|span| span.is_sampled()), Some(false), "{why}: nobody has decided");
        let samplers: [(Box<dyn Sampler>, bool); 4] = [
            (Box::new(ParentBased::new(AlwaysOn)), true),
            (Box::new(ParentBased::new(AlwaysOff)), false),
            (Box::new(AlwaysOn), true),
            (Box::new(AlwaysOff), false),
        ];
        for (sampler, ours) in samplers {
            let (tracer, _) = recorder_with(|builder| builder.sampler(sampler));
            let span = Instrumenter::new(&tracer, Job::new(SpanKind::Server, None)).start_remote(&believed, &1);
            let context = span.context();
            assert_eq!(context.span_context().map(|span| span.trace_id()), Some(remote(text).trace_id()), "{why}");
            assert_eq!(context.tracestate().map(ToString::to_string).as_deref(), Some("a=1"), "{why}");
            assert_eq!(context.baggage().get("k"), Some("v"), "{why}");
            let sent = written(&context, Allow::ALL);
            assert_eq!(sent["traceparent"].ends_with("-01"), ours, "{why}: our own decision goes on");
        }
    }
    assert!(Extracted::NOTHING.without_sampling().is_empty());
}

#[test]
fn the_default_records_what_nobody_denied() {
    let tracer = Tracer::builder().build();
    let span = tracer.span("root").start();
    assert!(span.context().is_sampled());
    drop(span);
}

#[test]
fn a_decision_without_ids_begins_a_trace_of_its_own() {
    let (tracer, memory) = recorder_with(|builder| builder.sampler(ParentBased::new(AlwaysOff)));
    let context = Extracted::NOTHING.with_sampling(SamplingState::Accept).to_context(&Context::ROOT);
    tracer.span("root").parent(&context).start().end(SpanEnd::Completed);
    let span = memory.one();
    assert_eq!((span.parent_span_id, span.parent_is_remote), (None, false));
    assert!(span.span_context.flags().is_random());
}

#[test]
fn a_debug_decision_reaches_the_grandchildren() {
    let (tracer, _) = recorder_with(|builder| builder.sampler(ParentBased::new(AlwaysOff)));
    let debug = Context::ROOT.with_sampling_state(SamplingState::Debug);
    let child = tracer.span("child").parent(&debug).start();
    let grandchild = tracer.span("grandchild").parent(&child.context()).start();
    assert_eq!(grandchild.context().sampling_state(), SamplingState::Debug);
    drop((child, grandchild));
}

fn at(trace: u128, state: Option<&str>) -> Context {
    let id = SpanContext::new(
        TraceId::from_u128(trace).expect("the test's own input is valid"),
        SpanId::from_u64(1).expect("the test's own input is valid"),
        TraceFlags::NONE,
    );
    let state = state.map(|text| TraceState::parse(text.as_bytes()).expect("the test's own input is valid"));
    Context::ROOT.with_span_context(id).with_tracestate(state)
}

#[test]
fn a_share_is_cut_at_its_threshold() {
    let half = 1_u128 << 55;
    for (ratio, random, kept, why) in [
        (0.5, half, true, "the threshold itself"),
        (0.5, half - 1, false, "one below"),
        (0.5, half | 1 << 56, true, "bits above the right-most 56 do not count"),
        (0.5, (half - 1) | u128::MAX << 56, false, "bits above the right-most 56 do not count"),
        (0.25, 3 << 54, true, "the threshold of a quarter: th:c"),
        (0.25, (3 << 54) - 1, false, "one below"),
        (1.0, 1 << 100, true, "all: the lowest value"),
        (1.5, 1 << 100, true, "beyond all"),
        (f64::INFINITY, 1 << 100, true, "beyond all"),
        (0.0, u128::MAX, false, "none: the highest value"),
        (-0.0, u128::MAX, false, "none"),
        (-1.0, u128::MAX, false, "below none"),
        (f64::NAN, u128::MAX, false, "no number"),
        (f64::NEG_INFINITY, u128::MAX, false, "below none"),
        (f64::MIN_POSITIVE, u128::MAX, false, "less than there are values"),
        (1.0 / (1_u64 << 56) as f64, (1 << 56) - 1, true, "one value of all"),
    ] {
        assert_eq!(sampled(TraceIdRatio::new(ratio), &at(random, None)).0, kept, "{why}: {ratio}");
    }
}

#[test]
fn the_randomness_of_the_tracestate_counts_if_it_is_one() {
    let (low, high) = (1_u128 << 100, (1_u128 << 56) - 1);
    for (trace, state, kept, why) in [
        (low, Some("ot=rv:80000000000000"), true, "rv at the threshold"),
        (high, Some("ot=rv:7fffffffffffff"), false, "rv below the threshold"),
        (low, Some("a=1,ot=th:8;rv:ffffffffffffff"), true, "rv after another sub-key"),
        (low, Some("ot=rv:fffffffffffff"), false, "13 digits"),
        (low, Some("ot=rv:fffffffffffffff"), false, "15 digits"),
        (low, Some("ot=rv:FFFFFFFFFFFFFF"), false, "upper case"),
        (low, Some("ot=xrv:ffffffffffffff"), false, "another sub-key"),
        (low, Some("xot=rv:ffffffffffffff"), false, "another key"),
        (high, Some("ot=rv:"), true, "no digits"),
        (high, None, true, "no tracestate"),
    ] {
        assert_eq!(sampled(TraceIdRatio::new(0.5), &at(trace, state)).0, kept, "{why}");
    }
}

#[test]
fn an_invalid_tracestate_is_no_randomness() {
    let extracted = Extracted::NOTHING
        .with_parent(remote(SAMPLED), SamplingState::Accept)
        .with_tracestate(&b"ot=rv:ffffffffffffff,=bad"[..]);
    let share = |ratio| sampled(TraceIdRatio::new(ratio), &extracted.to_context(&Context::ROOT)).0;
    // The trace id ends in a3ce929d0e0e4736: of 56 bits 0xce929d0e0e4736, about 81 % of the range.
    assert!(share(0.25) && !share(0.15));
}

#[test]
fn half_of_all_traces_are_about_half() {
    let tracer = Tracer::builder().sampler(TraceIdRatio::new(0.5)).build();
    let kept = (0..10_000).filter(|_| tracer.span("span").root().start().context().is_sampled()).count();
    // Ten standard deviations of a fair coin.
    assert!((4_500..=5_500).contains(&kept), "{kept}");
}

#[test]
fn a_sampler_sees_what_the_span_will_be() {
    #[derive(Debug)]
    struct Curious;

    impl Sampler for Curious {
        fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
            assert_eq!(input.parent().copied(), Some(remote(SAMPLED)));
            assert_eq!((input.state(), input.trace_id()), (SamplingState::Accept, remote(SAMPLED).trace_id()));
            assert_eq!((input.kind(), &*input.name().to_text()), (SpanKind::Client, "name"));
            assert_eq!(input.tracestate().unwrap().as_str(), "a=1");
            assert_eq!(input.attribute("n").as_deref(), Some("1"));
            assert_eq!(input.attribute("none"), None);
            let mut keys = Vec::new();
            input.attributes().visit(&mut |key: Key<'_>, _: Value<'_>| keys.push(key.as_str().to_owned()));
            assert_eq!(keys, ["n", "s"]);
            SamplingDecision::SAMPLE
        }
    }

    let (tracer, memory) = recorder_with(|builder| builder.sampler(Curious));
    let parent =
        Context::ROOT.with_span_context(remote(SAMPLED)).with_tracestate(Some(TraceState::parse(b"a=1").unwrap()));
    let attributes = [(Key::new("n"), Value::from(1)), (Key::new("s"), Value::from("x"))];
    tracer.span("name").kind(SpanKind::Client).parent(&parent).attributes(&attributes).start().end(SpanEnd::Completed);
    assert_eq!(tracer.stats().hook_panics, 0);
    assert_eq!(memory.one().attributes.len(), 2);
}

proptest! {
    #[test]
    fn one_trace_has_one_answer_everywhere(trace in 1_u128.., span in 1_u64.., ratio in 0.0..1.0_f64) {
        let id = |span| SpanContext::new(TraceId::from_u128(trace).unwrap(), SpanId::from_u64(span).unwrap(), TraceFlags::NONE);
        let here = sampled(TraceIdRatio::new(ratio), &Context::ROOT.with_span_context(id(span))).0;
        let there = sampled(TraceIdRatio::new(ratio), &Context::ROOT.with_span_context(id(!span | 1))).0;
        prop_assert_eq!(here, there);
        let more = sampled(TraceIdRatio::new((ratio * 1.5).min(1.0)), &Context::ROOT.with_span_context(id(span))).0;
        prop_assert!(!here || more, "a larger share contains the smaller one");
    }
}
