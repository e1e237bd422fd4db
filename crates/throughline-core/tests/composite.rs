//! Composites: whom they believe, which way formats go, what they count, and how much they write.

mod common;

use std::collections::HashMap;

use common::{Job, P, SAMPLED, T, UNSAMPLED, recorder, recorder_with, remote};
use throughline_core::propagation::{
    Allow, B3, Composite, Extracted, Extractor, Field, Format, Injector, Policy, Propagator, XRay,
};
use throughline_core::{Baggage, Context, Instrumenter, SamplingState, SpanEnd, SpanKind, TraceState, Tracer};

fn lines(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn names(carrier: &[(String, String)]) -> Vec<String> {
    let mut names: Vec<_> = carrier.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    names
}

const OTHER: &str = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1";

#[test]
fn the_last_format_or_the_first_is_believed() {
    let b3_of = |trace: &str, state: &str| format!("{trace}-e457b5a2e4d86bd1-{state}");
    let both = [Format::TraceContext, Format::Baggage, Format::B3(B3::Single), Format::Jaeger];
    let state = ("tracestate", "a=1");
    for (policy, carrier, trace, sampling, tracestate, why) in [
        (Policy::LastWins, vec![("traceparent", SAMPLED), ("b3", OTHER), state], &OTHER[..32], true, "", "B3 is later"),
        (Policy::FirstWins, vec![("traceparent", SAMPLED), ("b3", OTHER), state], T, true, "a=1", "W3C is earlier"),
        (Policy::FirstWins, vec![("b3", OTHER)], &OTHER[..32], true, "", "the first has found nothing"),
        (
            Policy::FirstWins,
            vec![("traceparent", "x"), ("b3", OTHER)],
            &OTHER[..32],
            true,
            "",
            "what is malformed is nothing",
        ),
        (Policy::LastWins, vec![("traceparent", SAMPLED), ("b3", "x"), state], T, true, "a=1", "likewise"),
        (
            Policy::LastWins,
            vec![("traceparent", SAMPLED), ("b3", &b3_of(T, "0")), state],
            T,
            false,
            "a=1",
            "of the same trace: what vendors said is still about it",
        ),
        (
            Policy::LastWins,
            vec![("traceparent", SAMPLED), ("b3", "0"), state],
            T,
            false,
            "a=1",
            "a word on W3C's trace",
        ),
        (Policy::FirstWins, vec![("traceparent", SAMPLED), ("b3", "0"), state], T, true, "a=1", "nobody asked"),
        (Policy::LastWins, vec![("traceparent", UNSAMPLED), ("b3", "d")], T, true, "", "debug"),
    ] {
        let context =
            Composite::new(both.clone()).policy(policy).extract_from(&lines(&carrier)).to_context(&Context::ROOT);
        let span = context.span_context().unwrap();
        assert_eq!((span.trace_id().to_string().as_str(), span.is_sampled()), (trace, sampling), "{why}");
        assert_eq!(context.tracestate().map_or("", TraceState::as_str), tracestate, "{why}");
    }
    // Baggage is a finding of its own.
    let carrier = lines(&[("traceparent", SAMPLED), ("baggage", "k=w3c"), ("uberctx-k", "jaeger")]);
    for (policy, wanted) in [(Policy::LastWins, "jaeger"), (Policy::FirstWins, "w3c")] {
        let context = Composite::new(both.clone()).policy(policy).extract_from(&carrier).to_context(&Context::ROOT);
        assert_eq!(context.baggage().get("k"), Some(wanted), "{policy:?}");
    }
    let carrier = lines(&[("traceparent", SAMPLED), ("uberctx-k", "jaeger")]);
    let context = Composite::new(both).policy(Policy::FirstWins).extract_from(&carrier).to_context(&Context::ROOT);
    assert_eq!(context.baggage().get("k"), Some("jaeger"), "the trace is W3C's, the baggage Jaeger's");
}

#[test]
fn many_formats_are_read_and_one_is_written() {
    let migrating = Composite::new([Format::TraceContext, Format::Baggage, Format::B3(B3::Multi), Format::Jaeger])
        .injecting([Format::TraceContext, Format::Baggage])
        .injecting_messages([Format::B3(B3::Single)]);
    let stale = [
        ("b3", "0"),
        ("X-B3-TraceId", T),
        ("x-b3-parentspanid", P),
        ("uber-trace-id", "1:1:0:1"),
        ("uberctx-k", "v"),
        ("X-Other", "kept"),
    ];
    let context = Context::ROOT.with_span_context(remote(SAMPLED));
    let mut carrier = lines(&stale);
    migrating.inject_into(&context, Allow::ALL, &mut carrier);
    assert_eq!(names(&carrier), ["traceparent", "x-other"], "what is only read does not stay behind");
    let mut carrier = lines(&stale);
    migrating.inject_message(&context, Allow::ALL, &mut carrier);
    assert_eq!(names(&carrier), ["b3", "x-other"]);
    let mut map: HashMap<String, String> = lines(&stale).into_iter().collect();
    migrating.inject_message(&Context::ROOT, Allow::ALL, &mut map);
    assert_eq!(map.len(), 1, "a context without a trace clears all the same");

    let mut headers = http::HeaderMap::new();
    for (name, value) in stale {
        headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    migrating.inject_headers(&context, Allow::ALL, &mut headers);
    migrating.inject_headers(&context, Allow::ALL, &mut headers);
    let mut found: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, ["traceparent", "x-other"]);

    let both = Composite::new([Format::B3(B3::Single), Format::B3(B3::Multi)]);
    let mut carrier = Vec::new();
    both.inject_into(&context, Allow::ALL, &mut carrier);
    assert_eq!(names(&carrier), ["b3", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"], "both ways at once");
}

#[test]
fn a_lone_deny_is_honoured_and_debug_passes_on() {
    let (tracer, spans) = recorder_with(|builder| {
        builder.propagator(Composite::new([Format::B3(B3::Single), Format::XRay(XRay::Header)]))
    });
    let instrumenter = Instrumenter::new(&tracer, Job::new(SpanKind::Consumer, None));
    for (header, sampled, sent) in [("0", false, "-0"), ("1", true, "-1"), ("d", true, "-d")] {
        let carrier = lines(&[("b3", header)]);
        let span = instrumenter.start_remote(&tracer.propagator().extract_from(&carrier), &1);
        let mut out = Vec::new();
        tracer.propagator().inject_into(&span.context(), Allow::ALL, &mut out);
        let found = &out.iter().find(|(name, _)| name == "b3").unwrap().1;
        assert!(found.ends_with(sent), "{header}: {found}");
        instrumenter.end(span, &1, SpanEnd::Completed);
        assert_eq!(spans.take().len(), usize::from(sampled), "{header}");
    }
}

#[test]
fn a_trace_takes_the_id_that_a_balancer_chose() {
    let propagator = Composite::new([Format::XRay(XRay::Header), Format::TraceContext]);
    let (tracer, spans) = recorder_with(|builder| builder.propagator(propagator));
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let carrier = lines(&[("X-Amzn-Trace-Id", header)]);
    let extracted = tracer.propagator().extract_from(&carrier);
    assert!(!extracted.is_empty() && extracted.span_context().is_none());
    let wanted = "5759e988bd862e3fe1be46a994272793";
    let span = Instrumenter::new(&tracer, Job::new(SpanKind::Consumer, None)).start_remote(&extracted, &1);
    assert_eq!(span.span_context().unwrap().trace_id().to_string(), wanted);
    let child = span.context().scope(|| tracer.span("child").start());
    let other = span.context().scope(|| tracer.span("other").root().start());
    assert_eq!(child.span_context().unwrap().trace_id().to_string(), wanted);
    assert_ne!(other.span_context().unwrap().trace_id().to_string(), wanted, "a root of its own is another trace");
    drop((child, other, span));
    let first = spans.take().into_iter().find(|span| span.name == "job").unwrap();
    assert_eq!(first.parent_span_id, None, "nobody is the parent");

    // Without a span in between the id is kept, too.
    let context = extracted.to_context(&Context::ROOT);
    let late = context.scope(|| tracer.span("late").start());
    assert_eq!(late.span_context().unwrap().trace_id().to_string(), wanted);
    // A parent that another format names says more.
    let carrier = lines(&[("X-Amzn-Trace-Id", header), ("traceparent", SAMPLED)]);
    let context = tracer.propagator().extract_from(&carrier).to_context(&Context::ROOT);
    assert_eq!(context.span_context().unwrap().trace_id().to_string(), T);
}

/// Panics both ways.
struct Wild;

impl Propagator for Wild {
    fn inject(&self, _: &Context, _: Allow, _: &mut dyn Injector) {
        panic!("inject");
    }

    fn extract<'a>(&self, _: &'a dyn Extractor) -> Extracted<'a> {
        panic!("extract");
    }

    fn fields(&self) -> &[Field] {
        &[]
    }
}

#[test]
fn what_goes_wrong_is_counted_and_never_said_twice() {
    let propagator = Composite::new([Format::TraceContext, Format::Baggage, Format::Jaeger, Format::custom(Wild)]);
    let (tracer, _) = recorder_with(|builder| builder.propagator(propagator.outbound_budget(400)));
    let composite = tracer.propagator();
    let read = |carrier: &[(&str, &str)]| _ = composite.extract_from(&lines(carrier));
    read(&[("traceparent", "x"), ("uber-trace-id", "x")]);
    read(&[("traceparent", SAMPLED)]);
    assert_eq!((tracer.stats().malformed_parents, tracer.stats().hook_panics), (1, 2), "once per carrier");
    let (big, many) = ("k=v,".repeat(3000), format!("{}=1,", "k".repeat(300)).repeat(60));
    read(&[("baggage", &big)]);
    read(&[("traceparent", SAMPLED), ("tracestate", &many)]);
    read(&[("jaeger-baggage", &big)]);
    assert_eq!(tracer.stats().oversized_fields, 3);
    let pair = |at: usize| (format!("k{at}"), "v".repeat(20));
    let baggage = (0..20).map(pair).fold(Baggage::new(), |all, (key, value)| all.with(&key, &value).unwrap());
    let context = Context::ROOT.with_span_context(remote(SAMPLED)).with_baggage(baggage);
    let mut out = Vec::new();
    composite.inject_into(&context, Allow::ALL, &mut out);
    let written: usize = out.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(written <= 400, "{written}: {out:?}");
    assert!(tracer.stats().baggage_dropped > 20, "of two formats: {}", tracer.stats().baggage_dropped);
    assert_eq!(tracer.stats().hook_panics, 6, "five reads and a write");
    let clone: Tracer = Tracer::builder().propagator(composite.clone()).build();
    assert_eq!(clone.stats().malformed_parents, 0, "a clone counts for itself");
}

#[test]
fn ids_go_before_tracestate_and_that_before_baggage() {
    let state = TraceState::parse(format!("a=1,long={},b=2,c=3", "x".repeat(150)).as_bytes()).unwrap();
    let baggage = Baggage::new().with("k", "v").unwrap().with("l", "w").unwrap();
    let context = Context::ROOT.with_span_context(remote(SAMPLED)).with_tracestate(Some(state)).with_baggage(baggage);
    let ids = "traceparent".len() + 55;
    for (budget, state, baggage, lost, why) in [
        (16_384, Some(167), Some("k=v,l=w"), (0, 0), "enough"),
        (ids + 177 + 14, Some(167), Some("k=v,l=w"), (0, 0), "just enough"),
        (ids + 177 + 13, Some(167), Some("k=v"), (0, 1), "baggage goes first, from its end"),
        (ids + 177 + 9, Some(167), None, (0, 2), "then all of it"),
        (ids + 176, Some(11), None, (1, 2), "then the long member of tracestate"),
        (ids + 10 + 7, Some(7), None, (2, 2), "then the right-most"),
        (ids, None, None, (4, 2), "then all of it"),
        (0, None, None, (4, 2), "ids are always written"),
    ] {
        let (tracer, _) = recorder_with(|builder| builder.propagator(Composite::w3c().outbound_budget(budget)));
        let mut out = HashMap::new();
        tracer.propagator().inject_into(&context, Allow::ALL, &mut out);
        assert_eq!(out["traceparent"], SAMPLED, "{why}");
        assert_eq!(out.get("tracestate").map(String::len), state, "{why}: {out:?}");
        assert_eq!(out.get("baggage").map(String::as_str), baggage, "{why}");
        let stats = tracer.stats();
        assert_eq!((stats.tracestate_dropped, stats.baggage_dropped), lost, "{why}");
        let mut headers = http::HeaderMap::new();
        tracer.propagator().inject_headers(&context, Allow::ALL, &mut headers);
        assert_eq!(headers.len(), out.len(), "{why}");
    }
}

#[test]
fn a_budget_counts_the_member_of_our_own() {
    let baggage = Baggage::new().with("k", &"v".repeat(60)).unwrap();
    let debug = Extracted::NOTHING.with_parent(remote(SAMPLED), SamplingState::Debug).to_context(&Context::ROOT);
    let mut out = Vec::new();
    Composite::w3c().outbound_budget(170).inject_into(&debug.with_baggage(baggage), Allow::ALL, &mut out);
    let written: usize = out.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(written <= 170 && names(&out) == ["traceparent", "tracestate"], "{written}: {out:?}");
}

#[test]
fn the_default_budget_holds_for_many_formats() {
    let pair = |at: usize| (format!("k{at}"), "v".repeat(110));
    let baggage = (0..64).map(pair).fold(Baggage::new(), |all, (key, value)| all.with(&key, &value).unwrap());
    let context = Context::ROOT.with_span_context(remote(SAMPLED)).with_baggage(baggage);
    let all = Composite::new(Format::NAMES.map(|name| Format::by_name(name).unwrap()));
    let mut out = Vec::new();
    all.inject_into(&context, Allow::ALL, &mut out);
    let written: usize = out.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!((8_192..=Composite::OUTBOUND_BUDGET).contains(&written), "{written}");
}

#[test]
fn names_of_formats_are_opentelemetrys() {
    for name in Format::NAMES {
        let composite = Composite::new([Format::by_name(name).unwrap()]);
        assert!(!composite.fields().is_empty(), "{name}");
    }
    for name in ["", "B3", "w3c", "none", "b3 "] {
        assert!(Format::by_name(name).is_none(), "{name:?}");
    }
}

#[test]
fn a_request_without_known_headers_has_nothing_to_carry() {
    let all = Composite::new(Format::NAMES.map(|name| Format::by_name(name).unwrap()));
    let mut headers = http::HeaderMap::new();
    headers.insert("host", "example.com".parse().unwrap());
    headers.insert("x-b3-parentspanid", P.parse().unwrap());
    let extracted = all.extract_headers(&headers);
    assert!(extracted.is_empty() && !extracted.is_malformed());
    assert!(extracted.to_context(&Context::ROOT).is_root());
    assert_eq!(extracted.sampling_state(), SamplingState::Defer);
    let (tracer, spans) = recorder();
    let span = Instrumenter::new(&tracer, Job::new(SpanKind::Consumer, None)).start_remote(&extracted, &1);
    drop(span);
    assert_eq!(spans.one().parent_span_id, None);
}
