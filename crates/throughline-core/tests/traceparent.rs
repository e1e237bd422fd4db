//! W3C `traceparent`: which texts are one, and what is sent on (Trace Context level 2, §3.2).

mod common;

use common::{Job, P, SAMPLED, T, read, read_bytes, recorder, remote, written};
use proptest::prelude::*;
use throughline_core::propagation::{Allow, Composite};
use throughline_core::{
    Context, Instrumenter, SamplingState, SpanContext, SpanEnd, SpanId, SpanKind, TraceFlags, TraceId,
};

#[test]
fn accepts_what_the_specification_accepts() {
    let (sampled, random) = (TraceFlags::SAMPLED, TraceFlags::RANDOM);
    for (input, flags, why) in [
        (format!("00-{T}-{P}-00"), TraceFlags::NONE, "not sampled"),
        (format!("00-{T}-{P}-01"), sampled, "sampled"),
        (format!("00-{T}-{P}-02"), random, "random, not sampled"),
        (format!("00-{T}-{P}-03"), sampled | random, "random and sampled"),
        (format!("00-{T}-{P}-ff"), sampled | random, "unknown flags besides"),
        (format!("00-{T}-{P}-fe"), random, "unknown flags, not sampled"),
        (format!("00-{T}-{P}-04"), TraceFlags::NONE, "an unknown flag alone"),
        (format!("cc-{T}-{P}-01"), sampled, "a future version"),
        (format!("cc-{T}-{P}-01-what-ever"), sampled, "a future version with more fields"),
        (format!("cc-{T}-{P}-01-"), sampled, "a future version with an empty field"),
        (format!("01-{T}-{P}-01"), sampled, "the next version"),
        (format!("fe-{T}-{P}-01"), sampled, "the last version"),
        (format!(" \t00-{T}-{P}-01 \t"), sampled, "blanks and tabs around it"),
    ] {
        let seen = read(&[("traceparent", &input)]);
        let parent = seen.parent.unwrap_or_else(|| panic!("{why}: {input:?}"));
        assert_eq!((&*parent.trace_id().to_string(), &*parent.span_id().to_string()), (T, P), "{why}");
        assert_eq!(parent.flags(), flags, "{why}");
        assert_eq!(seen.sampling, SamplingState::of_flag(flags.is_sampled()), "{why}");
        assert!(parent.is_remote() && !seen.malformed, "{why}");

        let context = Context::ROOT.with_span_context(parent);
        let again = format!("00-{T}-{P}-{:02x}", flags.bits());
        assert_eq!(written(&context, Allow::ALL)["traceparent"], again, "{why}: version 00, known flags");
    }
}

#[test]
fn rejects_what_the_specification_rejects() {
    let (zero32, zero16) = ("0".repeat(32), "0".repeat(16));
    let upper = T.to_uppercase();
    for (input, why) in [
        (String::new(), "empty"),
        (" \t ".into(), "blank"),
        (format!("00-{T}-{P}-01-"), "version 00 with a trailing dash"),
        (format!("00-{T}-{P}-01."), "version 00 with a trailing dot"),
        (format!("00-{T}-{P}-01-extra"), "version 00 with one more field"),
        (format!("cc-{T}-{P}-01.what"), "future version, no dash after the flags"),
        (format!("01-{T}-{P}-01xyz"), "future version, flags of five digits"),
        (format!("01-{T}-{P}-01 -x"), "future version, a blank after the flags"),
        (format!("ff-{T}-{P}-01"), "forbidden version"),
        (format!("0x-{T}-{P}-01"), "version is no hex"),
        (format!("CC-{T}-{P}-01"), "version in upper case"),
        (format!(".0-{T}-{P}-01"), "version with a dot"),
        (format!("000-{T}-{P}-01"), "version of three digits"),
        (format!("0-{T}-{P}-01"), "version of one digit"),
        (format!("-{T}-{P}-01"), "no version"),
        (format!("{T}-{P}-01"), "no version and no dash"),
        (format!("00-{upper}-{P}-01"), "trace id in upper case"),
        (format!("00-{T}-{}-01", P.to_uppercase()), "parent id in upper case"),
        (format!("00-{T}-{P}-0G"), "flags are no hex"),
        (format!("00-{T}-{P}-0F"), "flags in upper case"),
        (format!("00-{T}-{P}-1"), "flags of one digit"),
        (format!("00-{T}-{P}-"), "flags are empty"),
        (format!("00-{T}-{P}"), "no flags"),
        (format!("00-{T}-{P}-001"), "flags of three digits"),
        (format!("00-{T}-{P}- 1"), "flags with a blank"),
        (format!("00-{zero32}-{P}-01"), "trace id is zero"),
        (format!("00-{T}-{zero16}-01"), "parent id is zero"),
        (format!("00-{}-{P}-01", &T[1..]), "trace id of 31 digits"),
        (format!("00-0{T}-{P}-01"), "trace id of 33 digits"),
        (format!("00-{T}-{}-01", &P[1..]), "parent id of 15 digits"),
        (format!("00-{T}-0{P}-01"), "parent id of 17 digits"),
        (format!("00-+{}-{P}-01", &T[1..]), "a sign in the trace id"),
        (format!("00-{T}-+{}-01", &P[1..]), "a sign in the parent id"),
        (format!("00_{T}-{P}-01"), "an underscore for the first dash"),
        (format!("00-{T}_{P}-01"), "an underscore for the second dash"),
        (format!("00-{T}-{P}_01"), "an underscore for the third dash"),
        (format!("00-{}g-{P}-01", &T[1..]), "a letter beyond f"),
        ("0-1-1-1".into(), "short fields"),
        ("+0-+1-+1-+1".into(), "short fields with signs"),
        (format!("00-{T}-{P}-01,00-{T}-{P}-01"), "two in one line"),
    ] {
        assert!(SpanContext::from_traceparent(input.as_bytes()).is_err(), "{why}: {input:?}");
        let seen = read(&[("traceparent", &input), ("tracestate", "foo=1")]);
        assert_eq!(seen.parent, None, "{why}: {input:?}");
        assert_eq!(seen.tracestate, None, "{why}: tracestate goes with it");
        assert!(seen.malformed, "{why}: it is counted");
    }
}

#[test]
fn header_names_are_matched_in_any_case_and_by_nothing_else() {
    for (name, found, why) in [
        ("traceparent", true, "lower case"),
        ("TraceParent", true, "mixed case"),
        ("TRACEPARENT", true, "upper case"),
        ("trace-parent", false, "another name"),
        ("trace.parent", false, "another name"),
        ("traceparen", false, "a prefix"),
        ("traceparents", false, "a longer name"),
    ] {
        assert_eq!(read(&[(name, SAMPLED)]).parent.is_some(), found, "{why}: {name}");
    }
}

#[test]
fn two_lines_are_rejected_even_if_they_agree() {
    for second in [SAMPLED, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01", "garbage", ""] {
        let seen = read(&[("traceparent", SAMPLED), ("traceparent", second), ("tracestate", "foo=1")]);
        assert_eq!((seen.parent, seen.tracestate, seen.malformed), (None, None, true), "{second:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_rejected() {
    for at in 0..SAMPLED.len() {
        let mut bytes = SAMPLED.as_bytes().to_vec();
        bytes[at] = 0xff;
        assert!(SpanContext::from_traceparent(&bytes).is_err());
        if let Some(seen) = read_bytes(&[("traceparent", &bytes)]) {
            assert_eq!((seen.parent, seen.malformed), (None, true), "0xff at {at}");
        }
    }
}

#[test]
fn no_trace_is_no_error() {
    let seen = read(&[("accept", "*/*")]);
    assert_eq!((seen.parent, seen.malformed, seen.sampling), (None, false, SamplingState::Defer));
    let seen = read(&[("tracestate", "foo=1")]);
    assert_eq!((seen.parent, seen.tracestate, seen.malformed), (None, None, false), "tracestate alone is nothing");
}

#[test]
fn passing_on_without_a_span_changes_neither_header() {
    let lines =
        [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"), ("tracestate", "b=1 ,\ta=2,,b=3")];
    let carrier: Vec<(String, String)> = lines.map(|(name, value)| (name.into(), value.into())).into();
    let context = Composite::w3c().extract_from(&carrier).to_context(&Context::ROOT);
    let out = written(&context, Allow::ALL);
    for (name, value) in lines {
        assert_eq!(out[name], value);
    }
}

#[test]
fn malformed_and_repeated_parents_are_counted_and_begin_a_new_trace() {
    let (tracer, memory) = recorder();
    let jobs = Instrumenter::new(&tracer, Job::new(SpanKind::Server, None));
    for (at, lines) in [vec![("traceparent", "garbage")], vec![("traceparent", SAMPLED); 2]].iter().enumerate() {
        let carrier: Vec<(String, String)> = lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let extracted = tracer.propagator().extract_from(&carrier);
        jobs.end(jobs.start_remote(&extracted, &1), &2, SpanEnd::Completed);
        let span = memory.one();
        assert_eq!(span.parent_span_id, None);
        assert_ne!(span.span_context.trace_id(), remote(SAMPLED).trace_id());
        assert_eq!(tracer.stats().malformed_parents, at as u64 + 1);
    }
    let carrier = vec![("traceparent".to_owned(), SAMPLED.to_owned())];
    let extracted = tracer.propagator().extract_from(&carrier);
    jobs.end(jobs.start_remote(&extracted, &1), &2, SpanEnd::Completed);
    let span = memory.one();
    assert_eq!((span.parent_span_id, span.parent_is_remote), (Some(remote(SAMPLED).span_id()), true));
    assert_eq!(tracer.stats().malformed_parents, 2, "a good one is not counted");
}

proptest! {
    #[test]
    fn what_is_written_reads_as_it_was(trace in 1_u128.., span in 1_u64.., flags in 0_u8..4) {
        let ids = (TraceId::from_u128(trace).unwrap(), SpanId::from_u64(span).unwrap());
        let context = SpanContext::new(ids.0, ids.1, TraceFlags::from_bits(flags));
        let text = context.to_traceparent();
        prop_assert_eq!(std::str::from_utf8(&text).unwrap(), format!("00-{trace:032x}-{span:016x}-{flags:02x}"));
        prop_assert_eq!(SpanContext::from_traceparent(&text).unwrap(), context.with_remote(true));
    }

    #[test]
    fn one_wrong_byte_is_never_read_as_something_else(at in 0_usize..55, byte: u8) {
        let mut text = *SAMPLED.as_bytes().first_chunk::<55>().unwrap();
        text[at] = byte;
        if let Ok(read) = SpanContext::from_traceparent(&text) {
            let again = read.to_traceparent();
            prop_assert_eq!(&again[2..53], &text[2..53]);
            prop_assert!(at < 2 || at == 53 || at == 54 || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte) || byte == b'-');
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = SpanContext::from_traceparent(&bytes);
        let _ = String::from_utf8_lossy(&bytes).parse::<TraceId>();
        let _ = String::from_utf8_lossy(&bytes).parse::<SpanId>();
    }
}
