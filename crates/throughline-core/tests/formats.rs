//! B3, X-Ray, Jaeger and OpenTracing: every row of the tables of inputs, by every carrier and road.

mod common;

use common::{P, Read, T, read_by, written_over};
use throughline_core::propagation::{Allow, B3, Composite, Format, XRay};
use throughline_core::{Baggage, Context, SamplingState, SpanContext};

const LONG: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SHORT: &str = "64fe8b2a57d3eff7";
const SPAN: &str = "e457b5a2e4d86bd1";

/// Ids and state in a few words: `T-P accept`, `deny`, `nothing`; `!` if something was malformed.
fn said(read: &Read) -> String {
    let state = format!("{:?}", read.sampling).to_lowercase();
    let mut text = match read.parent {
        Some(parent) => format!("{}-{} {state}", parent.trace_id(), parent.span_id()),
        None if read.sampling == SamplingState::Defer => "nothing".to_owned(),
        None => state,
    };
    if read.malformed {
        text.push('!');
    }
    assert!(read.parent.is_none_or(|parent| parent.is_remote() && parent.is_sampled() == read.sampling.is_sampled()));
    text
}

type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

fn joined<'a>(ids: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [ids, more].concat()
}

#[track_caller]
fn check(format: &Format, rows: &[Row<'_>]) {
    let composite = Composite::new([format.clone()]);
    for (lines, wanted, why) in rows {
        let wanted = wanted.replace("LONG", LONG).replace("SPAN", SPAN).replace('T', T).replace('P', P);
        assert_eq!(said(&read_by(&composite, lines)), wanted, "{why}: {lines:?}");
    }
}

#[test]
fn b3_single() {
    let short = format!("0000000000000000{SHORT}-SPAN defer");
    let long = |rest: &str| format!("{LONG}-{SPAN}{rest}");
    let rows: &[(String, &str, &str)] = &[
        (long("-1-05e3ac9a4f6e3b90"), "LONG-SPAN accept", "sampled, with a parent"),
        (long("-0"), "LONG-SPAN deny", "not sampled"),
        (format!("{SHORT}-{SPAN}"), &short, "64 bits, and nobody has decided"),
        (long("-d"), "LONG-SPAN debug", "debug"),
        ("0".into(), "deny", "without ids"),
        ("1".into(), "accept", "without ids"),
        ("d".into(), "debug", "without ids"),
        (long("-05e3ac9a4f6e3b90"), "LONG-SPAN defer", "a parent and no decision"),
        (format!(" \t{} ", long("-1")), "LONG-SPAN accept", "blanks around"),
        (long("-"), "nothing!", "a dash and nothing"),
        (long("--05e3ac9a4f6e3b90"), "nothing!", "an empty decision"),
        (long("-x"), "nothing!", "no decision"),
        (long("-1-a-b"), "nothing!", "five parts"),
        (long("-1-05e3ac9a4f6e3b9"), "nothing!", "a short parent"),
        (long("-1-05e3ac9a4f6e3b900"), "nothing!", "a long parent"),
        (long("-1-0000000000000000"), "nothing!", "a parent that is all zero"),
        (LONG.into(), "nothing!", "a trace alone"),
        (long("-1").to_uppercase(), "nothing!", "upper case"),
        (String::new(), "nothing!", "empty"),
        ("2".into(), "nothing!", "no state"),
        (format!("{LONG}-0000000000000000-1"), "nothing!", "zero span"),
        (format!("00000000000000000000000000000000-{SPAN}-1"), "nothing!", "zero trace"),
        (format!("{}-{SPAN}-1", &LONG[..20]), "nothing!", "20 digits"),
        (format!("{LONG}-{}-1", &SPAN[1..]), "nothing!", "15 digits"),
        (format!("{LONG}_{SPAN}-1"), "nothing!", "no dash"),
        ("é".into(), "nothing!", "no ASCII"),
        (format!("{}-1", long("-1-05e3ac9a4f6e3b90")), "nothing!", "too long"),
    ];
    for way in [B3::Single, B3::Multi] {
        for (value, wanted, why) in rows {
            check(&Format::B3(way), &[(&[("b3", value)], wanted, why)]);
        }
    }
}

#[test]
fn b3_multi() {
    let ids = [("X-B3-TraceId", LONG), ("X-B3-SpanId", SPAN)];
    let long = format!("{LONG}-{SPAN}-0");
    let with = |more| joined(&ids, more);
    let short = format!("0000000000000000{SHORT}-{SPAN} accept");
    let sampled = |value| joined(&ids, &[("X-B3-Sampled", value)]);
    check(
        &Format::B3(B3::Multi),
        &[
            (&ids, "LONG-SPAN defer", "nobody has decided"),
            (&sampled("1"), "LONG-SPAN accept", "sampled"),
            (&sampled("0"), "LONG-SPAN deny", "not sampled"),
            (&sampled("TRUE"), "LONG-SPAN accept", "as old tracers wrote it"),
            (&sampled("False"), "LONG-SPAN deny", "as old tracers wrote it"),
            (&sampled("yes"), "nothing!", "Brave: nothing of it can be believed"),
            (&sampled(""), "nothing!", "empty"),
            (&[("X-B3-TraceId", SHORT), ("X-B3-SpanId", SPAN), ("X-B3-Sampled", "1")], &short, "64 bits"),
            (&[("X-B3-Sampled", "0")], "deny", "without ids"),
            (&[("X-B3-Sampled", "1")], "accept", "without ids"),
            (&[("X-B3-Flags", "1")], "debug", "without ids"),
            (&[("X-B3-Flags", "0")], "nothing", "no other value counts"),
            (&with(&[("X-B3-Flags", "1"), ("X-B3-Sampled", "0")]), "LONG-SPAN debug", "debug implies sampled"),
            (&with(&[("X-B3-Flags", "x"), ("X-B3-Sampled", "0")]), "LONG-SPAN deny", "other flags are ignored"),
            (&with(&[("X-B3-ParentSpanId", "x")]), "LONG-SPAN defer", "the parent is nobody's business"),
            (&[("X-B3-TraceId", LONG)], "nothing!", "no span"),
            (&[("X-B3-SpanId", SPAN)], "nothing", "a span of no trace"),
            (&[("X-B3-TraceId", &LONG[1..]), ("X-B3-SpanId", SPAN)], "nothing!", "31 digits"),
            (&[("X-B3-TraceId", LONG), ("X-B3-SpanId", &SPAN[1..])], "nothing!", "15 digits"),
            (&[("X-B3-TraceId", "00000000000000000000000000000000"), ("X-B3-SpanId", SPAN)], "nothing!", "zero"),
            (&with(&[("b3", "garbage"), ("X-B3-Sampled", "1")]), "LONG-SPAN accept!", "single falls back to multi"),
            (&with(&[("b3", &long), ("X-B3-Sampled", "1")]), "LONG-SPAN deny", "single wins"),
            (&with(&[("X-B3-TraceId", "x")]), "LONG-SPAN defer", "the first line counts"),
        ],
    );
}

#[test]
fn xray() {
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let parent = "Parent=53995c3f42cd8ad8";
    let ids = "5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8";
    let rows: &[(String, String, &str)] = &[
        (format!("{root};{parent};Sampled=1"), format!("{ids} accept"), "as it is documented"),
        (format!("Sampled=0;{parent};{root}"), format!("{ids} deny"), "in any order"),
        (format!(" {root} ; {parent};  Sampled=1 ;"), format!("{ids} accept"), "blanks, and a semicolon at the end"),
        (format!("{root};{parent};Sampled=?"), format!("{ids} defer"), "you decide"),
        (format!("{root};{parent}"), format!("{ids} defer"), "nobody has decided"),
        (
            format!("Root=1-123-bd862e3fe1be46a994272793;{parent};Sampled=1"),
            "00000123bd862e3fe1be46a994272793-53995c3f42cd8ad8 accept".into(),
            "a padded epoch",
        ),
        (format!("Self=1-2-3;{root};{parent};Lineage=1:abc:0"), format!("{ids} defer"), "fields that nobody knows"),
        (root.into(), "nothing".into(), "a root alone is no parent"),
        ("Sampled=0".into(), "deny".into(), "without ids"),
        ("Sampled=1".into(), "accept".into(), "without ids"),
        (format!("Root=2-5759e988-bd862e3fe1be46a994272793;{parent}"), "nothing!".into(), "another version"),
        (format!("Root=1-5759e9880-bd862e3fe1be46a994272793;{parent}"), "nothing!".into(), "36 characters"),
        (format!("Root=1-5759e988-bd862e3fe1be46a99427279;{parent}"), "nothing!".into(), "23 digits"),
        (format!("Root=1--bd862e3fe1be46a994272793;{parent}"), "nothing!".into(), "no epoch"),
        (format!("Root=1-5759e988;{parent}"), "nothing!".into(), "no unique part"),
        (format!("Root=;{parent}"), "nothing!".into(), "empty"),
        (format!("Root=1-5759e98g-bd862e3fe1be46a994272793;{parent}"), "nothing!".into(), "no digit"),
        (format!("Root=1-5759E988-BD862E3FE1BE46A994272793;{parent}"), "nothing!".into(), "upper case"),
        (format!("{root};Parent=53995c3f42cd8ad;Sampled=1"), "nothing!".into(), "15 digits"),
        (format!("{root};Parent=0000000000000000;Sampled=1"), "nothing!".into(), "zero"),
        (format!("{root};{parent};Sampled=true"), "nothing!".into(), "no decision"),
        (format!("{root};{parent};what"), "nothing!".into(), "a part without an equals sign"),
        (format!("{parent};Sampled=1"), "nothing!".into(), "a parent of no trace"),
        (format!("{root};{parent};x={}", "y".repeat(1024)), "nothing!".into(), "more than anybody sends"),
        (String::new(), "nothing".into(), "empty"),
    ];
    for (value, wanted, why) in rows {
        check(&Format::XRay(XRay::Header), &[(&[("X-Amzn-Trace-Id", value)], wanted, why)]);
        check(&Format::XRay(XRay::Sqs), &[(&[("AWSTraceHeader", value)], wanted, why)]);
        check(&Format::XRay(XRay::Sqs), &[(&[("X-Amzn-Trace-Id", value)], "nothing", "another field")]);
    }
    let found = XRay::parse(root.as_bytes());
    assert_eq!(found.trace_id().unwrap().to_string(), "5759e988bd862e3fe1be46a994272793");
}

#[test]
fn jaeger() {
    let padded = "0000000000000000000000000004bf92-000000000000f067 accept";
    let (long, wide) = (format!("{T}0:{P}:0:1"), format!("{T}:{P}0:0:1"));
    let rows: &[(String, &str, &str)] = &[
        (format!("{T}:{P}:0:1"), "T-P accept", "sampled"),
        (format!("{T}:{P}:{P}:3"), "T-P debug", "sampled and debug"),
        (format!("{T}:{P}:0:0"), "T-P deny", "not sampled"),
        (format!("{T}:{P}:0:2"), "T-P deny", "debug alone"),
        (format!("{T}:{P}::01"), "T-P accept", "two digits, and no parent"),
        (format!("{T}:{P}:0:9"), "T-P accept", "firehose is nobody's business"),
        (format!("{T}:{P}:0:1b"), "T-P debug", "hexadecimal, not decimal"),
        ("4bf92:f067:0:1".into(), padded, "short ids"),
        (format!("\t{}:{P}:0:1", &T[1..]), "0bf92f3577b34da6a3ce929d0e0e4736-P accept", "a blank in place of a digit"),
        (format!("{T}%3A{P}%3A0%3A1"), "T-P accept", "URL-encoded"),
        (format!("{T}%3a{P}%3a0%3a1"), "T-P accept", "URL-encoded in lower case"),
        ("aa:bb:cc".into(), "nothing!", "three fields"),
        (format!("{T}:{P}:0:1:0"), "nothing!", "five fields"),
        (format!("{T}:{P}:::1"), "nothing!", "five fields in the usual length"),
        (String::new(), "nothing!", "empty"),
        (format!("0:{P}:0:1"), "nothing!", "zero trace"),
        (format!("{T}:0:0:1"), "nothing!", "zero span"),
        (long, "nothing!", "33 digits"),
        (wide, "nothing!", "17 digits"),
        (format!("{T}:{P}:0:abc"), "nothing!", "three digits"),
        (format!("{T}:{P}:0:x"), "nothing!", "no digit"),
        (format!("{T}:{P}:0:"), "nothing!", "no flags"),
        (format!(":{P}:0:1"), "nothing!", "no trace"),
        (format!("{T}:{P}:0:+1"), "nothing!", "a sign"),
        (format!("{}:{P}:0:1", T.to_uppercase()), "nothing!", "upper case"),
        ("%3A".repeat(60), "nothing!", "more than anybody sends"),
    ];
    for (value, wanted, why) in rows {
        check(&Format::Jaeger, &[(&[("uber-trace-id", value)], wanted, why)]);
    }
    let whole = format!("{T}:{P}:0:0");
    check(
        &Format::Jaeger,
        &[
            (&[("jaeger-debug-id", "ticket-7")], "debug", "somebody wants to see it"),
            (&[("jaeger-debug-id", " ")], "nothing", "nobody does"),
            (&[("uber-trace-id", &whole), ("jaeger-debug-id", "x")], "T-P deny", "the trace has been decided on"),
        ],
    );
}

#[test]
fn ot_trace() {
    let ids = [("ot-tracer-traceid", "64fe8b2a57d3eff7"), ("ot-tracer-spanid", SPAN)];
    let with = |more| joined(&ids, more);
    let id = format!("0000000000000000{SHORT}-{SPAN}");
    let wanted = |state: &str| format!("{id} {state}");
    check(
        &Format::OtTrace,
        &[
            (&with(&[("ot-tracer-sampled", "true")]), &wanted("accept"), "sampled"),
            (&with(&[("ot-tracer-sampled", "false")]), &wanted("deny"), "not sampled"),
            (&ids, &wanted("defer"), "nobody has decided"),
            (&[("ot-tracer-sampled", "false")], "deny", "without ids"),
            (&[("ot-tracer-traceid", LONG), ids[1]], "LONG-SPAN defer", "128 bits"),
            (
                &[("ot-tracer-traceid", "b1"), ("ot-tracer-spanid", "c2")],
                "000000000000000000000000000000b1-00000000000000c2 defer",
                "Python writes no zeros in front",
            ),
            (&with(&[("ot-tracer-sampled", "maybe")]), "nothing!", "no decision"),
            (&[ids[0]], "nothing!", "no span"),
            (&[ids[0], ("ot-tracer-spanid", "0")], "nothing!", "zero"),
            (&[ids[0], ("ot-tracer-spanid", "0e457b5a2e4d86bd1")], "nothing!", "17 digits"),
            (&[("ot-tracer-traceid", "x"), ids[1]], "nothing!", "no digit"),
            (&[("ot-tracer-traceid", ""), ids[1]], "nothing!", "empty"),
        ],
    );
}

#[test]
fn pairs_of_formats_that_make_a_field_per_key() {
    let jaeger = |lines: &[(&str, &str)]| {
        let read = read_by(&Composite::new([Format::Jaeger]), lines);
        read.baggage.iter().map(|(key, value, _)| format!("{key}={value}")).collect::<Vec<_>>().join("|")
    };
    for (many, length, wanted, why) in
        [(64, 1, 64, "as many as W3C allows"), (80, 1, 64, "no more members"), (20, 1000, 8, "no more bytes")]
    {
        let line = |at| (format!("uberctx-k{at}"), "v".repeat(length));
        let lines: Vec<(String, String)> = (0..many).map(line).collect();
        let extracted = Composite::new([Format::Jaeger]).extract_from(&lines);
        assert_eq!(extracted.to_context(&Context::ROOT).baggage().len(), wanted, "{why}");
        assert_eq!(extracted.is_oversized(), many > wanted, "{why}");
    }
    for (lines, wanted, why) in [
        (&[("uberctx-Tenant", "7")][..], "tenant=7", "keys are in lower case"),
        (&[("uberctx-k", "a%20b+c")], "k=a b c", "URL-encoded"),
        (&[("uberctx-k", "a b,c;d=e\"\\")], "k=a b,c;d=e\"\\", "or not"),
        (&[("uberctx-", "v")], "", "no key"),
        (&[("jaeger-baggage", "a=1, b = 2")], "a=1|b=2", "by hand"),
        (&[("jaeger-baggage", "nometa+novalue")], "", "no pair"),
        (&[("jaeger-baggage", "=v,,a=1")], "a=1", "no key, and nothing"),
        (&[("uberctx-a", "1"), ("jaeger-baggage", "b=2")], "a=1|b=2", "both"),
    ] {
        assert_eq!(jaeger(lines), wanted, "{why}: {lines:?}");
    }
    let long = "k=v,".repeat(3000);
    assert_eq!(jaeger(&[("jaeger-baggage", &long)]), "", "longer than all baggage may be");

    let ids = [("ot-tracer-traceid", SHORT), ("ot-tracer-spanid", SPAN)];
    let raw = [&ids[..], &[("ot-baggage-k", "a%20b+c,d")]].concat();
    let read = read_by(&Composite::new([Format::OtTrace]), &raw);
    assert_eq!(read.baggage, [("k".into(), "a%20b+c,d".into(), String::new())], "as it is");
    let read = read_by(&Composite::new([Format::OtTrace]), &raw[2..]);
    assert!(read.baggage.is_empty(), "only beside ids");
}

fn context(state: SamplingState) -> Context {
    let flags = throughline_core::TraceFlags::NONE.with_sampled(state.is_sampled());
    let (trace, span) = (T.parse().expect("a valid id"), P.parse().expect("a valid id"));
    let span = SpanContext::new(trace, span, flags);
    let found = throughline_core::propagation::Extracted::NOTHING.with_parent(span, state);
    found.to_context(&Context::ROOT)
}

#[test]
fn what_is_written() {
    let pairs = Baggage::new().with("Key", "a b,%").unwrap().with("euro", "€").unwrap();
    for (format, state, wanted, why) in [
        (Format::B3(B3::Single), SamplingState::Accept, vec![("b3", format!("{T}-{P}-1"))], "never a parent"),
        (Format::B3(B3::Single), SamplingState::Defer, vec![("b3", format!("{T}-{P}"))], "by silence"),
        (Format::B3(B3::Single), SamplingState::Debug, vec![("b3", format!("{T}-{P}-d"))], "debug"),
        (
            Format::B3(B3::Multi),
            SamplingState::Debug,
            vec![("X-B3-Flags", "1".into()), ("X-B3-SpanId", P.into()), ("X-B3-TraceId", T.into())],
            "then no Sampled",
        ),
        (
            Format::B3(B3::Multi),
            SamplingState::Deny,
            vec![("X-B3-Sampled", "0".into()), ("X-B3-SpanId", P.into()), ("X-B3-TraceId", T.into())],
            "no Flags",
        ),
        (
            Format::XRay(XRay::Header),
            SamplingState::Defer,
            vec![(
                "X-Amzn-Trace-Id",
                format!("Root=1-{}-{};Parent={P};Sampled=?;Key=a%20b%2C%25;euro=%E2%82%AC", &T[..8], &T[8..]),
            )],
            "a question, and pairs",
        ),
        (
            Format::Jaeger,
            SamplingState::Debug,
            vec![
                ("uber-trace-id", format!("{T}:{P}:0:3")),
                ("uberctx-euro", "%E2%82%AC".into()),
                ("uberctx-key", "a%20b%2C%25".into()),
            ],
            "a field per key",
        ),
        (
            Format::OtTrace,
            SamplingState::Accept,
            vec![
                ("ot-baggage-key", "a b,%".into()),
                ("ot-tracer-sampled", "true".into()),
                ("ot-tracer-spanid", P.into()),
                ("ot-tracer-traceid", T[16..].into()),
            ],
            "the right half; what is no ASCII stays",
        ),
        (
            Format::TraceContext,
            SamplingState::Debug,
            vec![("traceparent", format!("00-{T}-{P}-01")), ("tracestate", format!("throughline=debug:{P}"))],
            "what the bit cannot say",
        ),
    ] {
        let composite = Composite::new([format]);
        let stale = [
            ("b3", "0"),
            ("X-B3-ParentSpanId", P),
            ("X-B3-Sampled", "1"),
            ("X-B3-Flags", "1"),
            ("uberctx-old", "1"),
            ("ot-baggage-old", "1"),
            ("jaeger-debug-id", "1"),
            ("tracestate", "a=1"),
        ];
        let fields = throughline_core::propagation::Propagator::fields(&composite);
        let prefixes = throughline_core::propagation::Propagator::prefixes(&composite);
        let of_it = |name: &str| {
            let name = name.to_lowercase();
            fields.iter().any(|field| field.as_str() == name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        let stale: Vec<_> = stale.into_iter().filter(|(name, _)| of_it(name)).collect();
        let out = written_over(&stale, &composite, &context(state).with_baggage(pairs.clone()), Allow::ALL);
        let lower = |(name, value): (&str, &str)| (name.to_lowercase(), value.to_owned());
        let out: Vec<_> = out.iter().map(|(name, value)| lower((name, value))).collect();
        let wanted: Vec<_> = wanted.iter().map(|(name, value)| lower((name, value))).collect();
        assert_eq!(out, wanted, "{why}");
        let out = written_over(&stale, &composite, &context(state).with_baggage(pairs.clone()), Allow::NONE);
        assert!(out.is_empty(), "nothing is told, and nothing stays: {out:?}");
    }
}

#[test]
fn the_header_of_x_ray_has_no_more_than_256_bytes() {
    let long = |at: usize| (format!("key{at}"), "v".repeat(40));
    let baggage = (0..10).map(long).fold(Baggage::new(), |all, (key, value)| all.with(&key, &value).unwrap());
    let baggage = baggage.with("Root", "1").unwrap().with("last", "1").unwrap();
    let out = written_over(
        &[],
        &Composite::new([Format::XRay(XRay::Header)]),
        &context(SamplingState::Accept).with_baggage(baggage),
        Allow::ALL,
    );
    let value = out.values().next().unwrap();
    assert!(value.len() <= 256 && value.ends_with(";last=1") && value.matches("Root=").count() == 1, "{value}");
}
