//! Composites, carriers and egress rules: what is read from whom, and what is left in a carrier (law 11).

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use common::{Job, P, SAMPLED, T, UNSAMPLED, recorder, remote, written, written_over};
use proptest::prelude::*;
use throughline_core::propagation::{
    Allow, Composite, Extracted, Extractor, Field, FieldValue, Format, Injector, Propagator, TraceContext, W3cBaggage,
};
use throughline_core::{Baggage, Context, Instrumenter, SamplingState, SpanContext, SpanEnd, SpanKind, TraceState};

/// A format that can say all that B3 can, with a field that it never writes.
#[derive(Debug)]
struct Lone;

static LONE: [Field; 2] = [Field::new("x-lone"), Field::new("x-lone-old")];

impl Propagator for Lone {
    fn inject(&self, context: &Context, allow: Allow, carrier: &mut dyn Injector) {
        match context.span_context().filter(|_| allow.ids) {
            Some(span) => carrier.set(&LONE[0], &span.to_traceparent()),
            None => carrier.remove(&LONE[0]),
        }
    }

    fn extract<'a>(&self, carrier: &'a dyn Extractor) -> Extracted<'a> {
        let FieldValue::One(text) = carrier.get(&LONE[0]) else { return Extracted::NOTHING };
        match text {
            b"0" => Extracted::NOTHING.with_sampling(SamplingState::Deny),
            b"d" => Extracted::NOTHING.with_sampling(SamplingState::Debug),
            text => match SpanContext::from_traceparent(text) {
                Ok(parent) => Extracted::NOTHING.with_parent(parent, SamplingState::Defer),
                Err(_) => Extracted::NOTHING.with_malformed(),
            },
        }
    }

    fn fields(&self) -> &[Field] {
        &LONE
    }
}

fn lone() -> Format {
    Format::Custom(Arc::new(Lone))
}

fn carrier(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn full() -> Context {
    let state = TraceState::parse(b"a=1").expect("the test's own input is valid");
    let baggage = Baggage::new().with("k", "v").expect("the test's own input is valid");
    Context::ROOT.with_span_context(remote(SAMPLED)).with_tracestate(Some(state)).with_baggage(baggage)
}

const STALE: [(&str, &str); 7] = [
    ("traceparent", "stale"),
    ("Traceparent", "stale"),
    ("tracestate", "stale=1"),
    ("baggage", "stale=1"),
    ("x-lone", "stale"),
    ("x-lone-old", "stale"),
    ("x-other", "kept"),
];

fn only(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_was_there_is_replaced_or_removed() {
    let w3c = Composite::w3c();
    // Two names that differ in case only are two entries of a map and two lines of headers.
    let lone_stays = [("x-lone", "stale"), ("x-lone-old", "stale"), ("x-other", "kept")];
    for (context, allow, wanted, why) in [
        (full(), Allow::ALL, vec![("traceparent", SAMPLED), ("tracestate", "a=1"), ("baggage", "k=v")], "all"),
        (full(), Allow::TRACE, vec![("traceparent", SAMPLED), ("tracestate", "a=1")], "no baggage"),
        (full(), Allow { tracestate: false, ..Allow::TRACE }, vec![("traceparent", SAMPLED)], "ids alone"),
        (full(), Allow { ids: false, ..Allow::ALL }, vec![("baggage", "k=v")], "no tracestate without ids"),
        (full(), Allow::NONE, vec![], "nothing"),
        (Context::ROOT, Allow::ALL, vec![], "the root context"),
        (Context::ROOT.with_value(7), Allow::ALL, vec![], "no ids"),
        (Context::ROOT.with_sampling_state(SamplingState::Deny), Allow::ALL, vec![], "a decision without ids"),
    ] {
        let wanted = only(&[&wanted[..], &lone_stays].concat());
        assert_eq!(written_over(&STALE, &w3c, &context, allow), wanted, "{why}");
    }
}

#[test]
fn the_fields_of_every_format_are_cleared_first() {
    for formats in
        [vec![lone(), Format::TraceContext, Format::Baggage], vec![Format::Baggage, Format::TraceContext, lone()]]
    {
        let composite = Composite::new(formats);
        let out = written_over(&STALE, &composite, &full(), Allow::TRACE);
        let wanted = [("traceparent", SAMPLED), ("tracestate", "a=1"), ("x-lone", SAMPLED), ("x-other", "kept")];
        assert_eq!(out, only(&wanted), "a field that a format never writes is gone");
        let out = written_over(&STALE, &composite, &Context::ROOT, Allow::ALL);
        assert_eq!(out, only(&[("x-other", "kept")]), "a context without ids clears all the same");
    }
    let lone = Composite::new([lone()]);
    let out = written_over(&STALE[4..], &lone, &full(), Allow::ALL);
    assert_eq!(out, only(&[("x-lone", SAMPLED), ("x-other", "kept")]));
}

#[test]
fn fields_are_the_union_in_order_and_built_in_formats_count_once() {
    let names = |composite: &Composite| composite.fields().iter().map(Field::as_str).collect::<Vec<_>>();
    assert_eq!(names(&Composite::w3c()), ["traceparent", "tracestate", "baggage"]);
    assert_eq!(names(&Composite::default()), names(&Composite::w3c()));
    assert_eq!(names(&Composite::none()), [""; 0]);
    let repeated = Composite::new([Format::Baggage, lone(), Format::Baggage, lone(), Format::TraceContext]);
    assert_eq!(names(&repeated), ["baggage", "x-lone", "x-lone-old", "traceparent", "tracestate"]);
    let debug = |formats: &[Format]| format!("{:?}", Composite::new(formats.iter().cloned()));
    assert_eq!(debug(&[Format::TraceContext, Format::TraceContext]), debug(&[Format::TraceContext]));
}

#[test]
fn none_reads_and_writes_nothing() {
    let stale = [("traceparent", SAMPLED), ("baggage", "a=1")];
    assert_eq!(written_over(&stale, &Composite::none(), &full(), Allow::ALL), only(&stale));
    assert!(Composite::none().extract_from(&carrier(&stale)).is_empty());
}

/// Both roads through a composite, which may not differ.
fn extracted(composite: &Composite, lines: &[(&str, &str)]) -> (Context, bool) {
    let carrier = carrier(lines);
    let direct = composite.extract_from(&carrier);
    let alone: &dyn Propagator = composite;
    let dynamic = alone.extract(&carrier);
    assert_eq!(direct.is_malformed(), dynamic.is_malformed(), "{lines:?}");
    assert_eq!(direct.span_context(), dynamic.span_context(), "{lines:?}");
    assert_eq!(direct.sampling_state(), dynamic.sampling_state(), "{lines:?}");
    let (one, two) = (direct.to_context(&Context::ROOT), dynamic.to_context(&Context::ROOT));
    assert_eq!(format!("{one:?}"), format!("{two:?}"));
    (one, direct.is_malformed())
}

#[test]
fn a_later_finding_replaces_an_earlier_one_and_none_changes_nothing() {
    let other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (first, last) =
        (Composite::new([lone(), Format::TraceContext]), Composite::new([Format::TraceContext, lone()]));
    for (lines, by_w3c_last, by_lone_last, malformed, why) in [
        (vec![("traceparent", SAMPLED), ("x-lone", other)], SAMPLED, other, false, "both found"),
        (vec![("traceparent", SAMPLED)], SAMPLED, SAMPLED, false, "one is absent"),
        (vec![("x-lone", other)], other, other, false, "the other is absent"),
        (vec![("traceparent", "bad"), ("x-lone", other)], other, other, true, "one is malformed"),
        (vec![("traceparent", SAMPLED), ("x-lone", "bad")], SAMPLED, SAMPLED, true, "the other is malformed"),
    ] {
        for (composite, wanted) in [(&first, by_w3c_last), (&last, by_lone_last)] {
            let (context, bad) = extracted(composite, &lines);
            assert_eq!(context.span_context(), Some(remote(wanted)), "{why}");
            assert_eq!(bad, malformed, "{why}: what is malformed is not forgotten");
        }
    }
    let lines = [("traceparent", SAMPLED), ("tracestate", "a=1"), ("x-lone", other)];
    assert_eq!(extracted(&first, &lines).0.tracestate().map(TraceState::as_str), Some("a=1"));
    assert_eq!(extracted(&last, &lines).0.tracestate(), None, "a tracestate goes with its traceparent");
}

#[test]
fn a_decision_without_ids_is_kept() {
    let composite = Composite::new([Format::TraceContext, lone(), Format::Baggage]);
    for (text, wanted) in [("0", SamplingState::Deny), ("d", SamplingState::Debug)] {
        let (context, malformed) = extracted(&composite, &[("x-lone", text)]);
        assert_eq!((context.sampling_state(), context.span_context(), malformed), (wanted, None, false));
    }
}

#[test]
fn what_came_replaces_the_ambient_context_part_by_part() {
    let ambient = Context::ROOT
        .with_span_context(remote(UNSAMPLED))
        .with_tracestate(Some(TraceState::parse(b"old=1").unwrap()))
        .with_baggage(Baggage::new().with("old", "1").unwrap())
        .with_value("kept");
    let other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (lines, parent, state, baggage, why) in [
        (vec![], UNSAMPLED, Some("old=1"), "old=1", "nothing came"),
        (vec![("traceparent", "bad")], UNSAMPLED, Some("old=1"), "old=1", "nothing valid came"),
        (vec![("tracestate", "new=1")], UNSAMPLED, Some("old=1"), "old=1", "a tracestate alone came"),
        (vec![("traceparent", other)], other, None, "old=1", "a parent without tracestate"),
        (vec![("traceparent", other), ("tracestate", "new=1")], other, Some("new=1"), "old=1", "a parent with one"),
        (vec![("traceparent", other), ("tracestate", "new")], other, None, "old=1", "a parent with an invalid one"),
        (vec![("baggage", "new=1")], UNSAMPLED, Some("old=1"), "new=1", "baggage alone"),
        (vec![("baggage", "")], UNSAMPLED, Some("old=1"), "old=1", "an empty baggage field"),
    ] {
        let carrier = carrier(&lines);
        let context = Composite::w3c().extract_from(&carrier).to_context(&ambient);
        assert_eq!(context.span_context().map(|span| span.with_remote(true)), Some(remote(parent)), "{why}");
        assert_eq!(context.tracestate().map(TraceState::as_str), state, "{why}");
        assert_eq!(context.baggage().to_string(), baggage, "{why}");
        assert_eq!(context.value::<&str>(), Some(&"kept"), "{why}");
    }
    assert_eq!(ambient.baggage().to_string(), "old=1", "the ambient context is as it was");
}

#[test]
fn a_decision_without_ids_begins_a_trace_without_the_old_tracestate() {
    let (tracer, memory) = recorder();
    let ambient = full();
    for context in [
        ambient.with_sampling_state(SamplingState::Deny).with_sampling_state(SamplingState::Debug),
        Extracted::NOTHING.with_sampling(SamplingState::Debug).to_context(&ambient),
    ] {
        assert_eq!(context.span_context(), None);
        tracer.span("root").parent(&context).start().end(SpanEnd::Completed);
        let span = memory.one();
        assert_ne!(span.span_context.trace_id(), remote(SAMPLED).trace_id());
        assert_eq!(span.tracestate, None, "new ids: the entries were about another trace");
    }
}

#[test]
fn a_tracestate_without_a_parent_is_nothing_even_beside_baggage() {
    let (tracer, memory) = recorder();
    let extracted = Extracted::NOTHING.with_tracestate(&b"a=1"[..]).with_baggage(&b"k=v"[..]);
    let context = extracted.to_context(&Context::ROOT);
    assert_eq!((context.tracestate(), context.baggage().get("k")), (None, Some("v")));
    let jobs = Instrumenter::new(&tracer, Job::new(SpanKind::Server, None));
    jobs.end(jobs.start_remote(&extracted, &1), &2, SpanEnd::Completed);
    assert_eq!(memory.one().tracestate, None);
}

#[test]
fn an_extracted_context_knows_no_tracer() {
    let (tracer, _) = recorder();
    for _ in 0..4 {
        drop(tracer.span("leaves its node to the pool").start());
    }
    let lines = carrier(&[("traceparent", SAMPLED)]);
    let context = Composite::w3c().extract_from(&lines).to_context(&Context::ROOT);
    assert!(context.tracer().is_none(), "it did not come from a span");
    let span = tracer.span("ambient").start();
    let context = Composite::w3c().extract_from(&lines).to_context(&span.context());
    assert!(context.tracer().is_some(), "it came from the ambient one");
}

#[test]
fn every_map_finds_names_in_any_case_and_sees_all_of_them() {
    let field = Field::new("x-lone");
    let list = carrier(&[("X-Lone", "1"), ("x-lone", "2"), ("x-lon", "3"), ("x-lone-b", "4"), ("é", "5")]);
    fn check(carrier: &dyn Extractor, field: &Field, order: bool) {
        assert_eq!(carrier.get(field), FieldValue::Many);
        let mut seen = Vec::new();
        carrier.each(field, &mut |value| seen.push(value.to_vec()));
        if !order {
            seen.sort();
        }
        assert_eq!(seen, [b"1", b"2"]);
        let mut names = Vec::new();
        carrier.each_prefixed("x-lone-", &mut |name, value| names.push((name.to_owned(), value.to_vec())));
        assert_eq!(names, [("x-lone-b".to_owned(), b"4".to_vec())]);
    }
    check(&list, &field, true);
    check(&list.iter().cloned().collect::<HashMap<_, _>>(), &field, false);
    check(&list.iter().cloned().collect::<BTreeMap<_, _>>(), &field, true);
}

#[test]
fn each_format_alone_is_a_propagator() {
    let mut map = HashMap::from([("tracestate".to_owned(), "stale=1".to_owned())]);
    let formats: [&dyn Propagator; 2] = [&TraceContext, &W3cBaggage];
    for format in formats {
        format.inject(&full().with_tracestate(None), Allow::ALL, &mut map);
    }
    assert_eq!(map.into_iter().collect::<BTreeMap<_, _>>(), only(&[("traceparent", SAMPLED), ("baggage", "k=v")]));
}

#[test]
fn an_unsampled_context_is_propagated_like_any_other() {
    let context = Context::ROOT.with_span_context(remote(UNSAMPLED));
    assert_eq!(written(&context, Allow::ALL), only(&[("traceparent", UNSAMPLED)]));
}

#[cfg(feature = "http")]
mod headers {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use throughline_core::propagation::carrier::HeaderScan;

    use super::*;

    #[test]
    fn a_scan_sees_what_the_headers_say() {
        let mut map = HeaderMap::new();
        for (name, value) in [
            ("host", "first"),
            ("host", "second"),
            ("user-agent", "curl"),
            ("baggage", "a=1"),
            ("x-lone", "0"),
            ("baggage", "b=2"),
            ("hosts", "no"),
        ] {
            map.append(name, HeaderValue::from_static(value));
        }
        let scan = HeaderScan::new(&map);
        assert_eq!((scan.host().unwrap(), scan.user_agent().unwrap()), (&map["host"], &map["user-agent"]));
        assert_eq!(scan.headers().len(), 7);
        let composite = Composite::new([Format::TraceContext, lone(), Format::Baggage]);
        for extracted in
            [composite.extract_scanned(&scan), composite.extract_headers(&map), composite.extract_from(&map)]
        {
            let context = extracted.to_context(&Context::ROOT);
            assert_eq!(context.sampling_state(), SamplingState::Deny, "of a field that no scan looks for");
            assert_eq!(context.baggage().to_string(), "a=1,b=2");
        }
        let empty = HeaderMap::new();
        assert!(HeaderScan::new(&empty).host().is_none() && HeaderScan::new(&empty).user_agent().is_none());
    }

    #[test]
    fn a_map_with_many_headers_is_cleared_too() {
        let mut map = HeaderMap::new();
        for at in 0..40 {
            let name: HeaderName = format!("x-{at}").parse().unwrap();
            map.append(name, HeaderValue::from_static("kept"));
        }
        map.append("traceparent", HeaderValue::from_static("stale"));
        map.append("baggage", HeaderValue::from_static("stale=1"));
        Composite::w3c().inject_into(&Context::ROOT, Allow::ALL, &mut map);
        assert_eq!(map.len(), 40);
    }

    #[test]
    fn a_map_that_takes_no_more_headers_does_not_panic() {
        let mut map = HeaderMap::new();
        for at in 0.. {
            let name: HeaderName = format!("x-{at}").parse().unwrap();
            if map.try_append(name, HeaderValue::from_static("kept")).is_err() {
                break;
            }
        }
        let headers = map.len();
        Composite::w3c().inject_into(&full(), Allow::ALL, &mut map);
        assert_eq!(map.len(), headers);
    }

    #[test]
    fn a_value_that_is_no_header_leaves_no_stale_one() {
        let field = Field::new("x-lone");
        let mut map = HeaderMap::new();
        map.append("x-lone", HeaderValue::from_static("stale"));
        Injector::set(&mut map, &field, b"a\r\nb: c");
        assert!(map.is_empty());
    }

    proptest! {
        #[test]
        fn no_headers_panic(lines in prop::collection::vec(
            (prop::sample::select(vec!["traceparent", "tracestate", "baggage", "x-lone"]), prop::collection::vec(any::<u8>(), 0..80)),
            0..6,
        )) {
            let mut map = HeaderMap::new();
            for (name, value) in &lines {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    map.append(*name, value);
                }
            }
            let composite = Composite::new([lone(), Format::TraceContext, Format::Baggage]);
            let context = composite.extract_scanned(&HeaderScan::new(&map)).to_context(&Context::ROOT);
            composite.inject_into(&context, Allow::ALL, &mut map);
            prop_assert_eq!(map.len(), map.keys_len());
        }
    }
}

proptest! {
    #[test]
    fn what_is_injected_is_extracted(
        trace in 1_u128..,
        span in 1_u64..,
        flags in 0_u8..4,
        state in prop::option::of("[a-z]{1,5}=[!-+]{1,5}"),
        baggage in prop::collection::vec(("[a-z]{1,4}", any::<String>()), 0..5),
    ) {
        let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
        let mut carried = Baggage::new();
        for (key, value) in &baggage {
            carried = carried.with(key, value).unwrap();
        }
        let state = state.map(|text| TraceState::parse(text.as_bytes()).unwrap());
        let context = Context::ROOT.with_span_context(remote(&text)).with_tracestate(state).with_baggage(carried);
        let out: Vec<(String, String)> = written(&context, Allow::ALL).into_iter().collect();
        let again = Composite::w3c().extract_from(&out).to_context(&Context::ROOT);
        prop_assert_eq!(again.span_context(), context.span_context());
        prop_assert_eq!(again.tracestate(), context.tracestate());
        prop_assert_eq!(again.baggage(), context.baggage());
    }
}

#[test]
fn ids_of_the_tests_are_what_they_say() {
    assert_eq!((SAMPLED, UNSAMPLED), (&*format!("00-{T}-{P}-01"), &*format!("00-{T}-{P}-00")));
}
