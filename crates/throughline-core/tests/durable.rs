//! Stored contexts: what they keep, what is refused, and how they are resumed; environments.

mod common;

use std::process::Command;

use common::{P, SAMPLED, T, recorder, remote};
use proptest::prelude::*;
use throughline_core::propagation::carrier::{EnvExtractor, EnvInjector};
use throughline_core::propagation::{Allow, Composite, Extracted, Format};
use throughline_core::{
    Baggage, BaggageField, Context, DurableContext, SamplingState, SpanContext, SpanEnd, SpanId, TraceFlags, TraceId,
    TraceState,
};

fn full() -> Context {
    let state = TraceState::parse(b"rojo=00f067,congo=;t5:x").expect("valid");
    let baggage = Baggage::new().with_properties("tenant", "\u{fc}nal; & co", "p;q=1").expect("valid");
    Context::ROOT.with_span_context(remote(SAMPLED)).with_tracestate(Some(state)).with_baggage(baggage)
}

#[test]
fn a_context_without_tracestate_and_baggage_takes_54_bytes() {
    let text = DurableContext::of(&Context::ROOT.with_span_context(remote(SAMPLED))).to_string();
    assert_eq!(text, format!("1-{T}-{P}-21"));
    assert!(text.len() <= 64);
    assert_eq!(DurableContext::of(&Context::ROOT).to_string(), "1-00");
}

#[test]
fn what_is_stored_is_resumed() {
    let context = full();
    let text = DurableContext::of(&context).to_string();
    let stored: DurableContext = text.parse().unwrap();
    let again = stored.to_context();
    assert_eq!(again.span_context(), context.span_context());
    assert_eq!(again.tracestate(), context.tracestate());
    assert_eq!(again.baggage(), context.baggage());
    assert_eq!(DurableContext::of(&again).to_string(), text);
    assert_eq!(format!(" {text}\r\n").parse(), Ok(stored.clone()), "a line of a file");
    assert!(!stored.clone().without_baggage().to_string().contains("tenant"));
    static CART: BaggageField = BaggageField::remote("cart");
    let two = context.with_baggage(context.baggage().with("cart", "9").expect("valid"));
    let kept = DurableContext::of(&two).keeping([&CART]);
    assert_eq!(kept.baggage().to_string(), "cart=9", "only what was declared");
    let local = context.with_baggage(context.baggage().with_local("secret", "1").unwrap());
    assert_eq!(DurableContext::of(&local).to_string(), text, "what is local stays in the process");
}

#[test]
fn texts_that_are_none_are_refused() {
    let head = format!("1-{T}-{P}-21");
    for (text, why) in [
        (String::new(), "empty"),
        (head.replacen('1', "2", 1), "another version"),
        (head[..53].into(), "cut"),
        (format!("{head}1"), "too long"),
        (head.to_uppercase(), "upper case"),
        (head.replace(T, &"0".repeat(32)), "zero trace"),
        (head.replace(P, &"0".repeat(16)), "zero span"),
        (format!("1-{T}-{P}-41"), "no such state"),
        (format!("1-{T}-{P}-24"), "no such flag"),
        (format!("1-{T}-{P}-20"), "accepted, and the flag says no"),
        (format!("1-{T}-{P}-11"), "denied, and the flag says yes"),
        ("1-0".into(), "half a state"),
        (format!("{head};"), "no section"),
        (format!("{head};t"), "no length"),
        (format!("{head};t:x"), "no length"),
        (format!("{head};t2:x"), "less than it says"),
        (format!("{head};t1:xy"), "more than it says"),
        (format!("{head};t-1:x"), "a sign"),
        (format!("{head};t+1:x"), "a sign"),
        (format!("{head};t99999999999999999999:x"), "a length that is none"),
        (format!("{head};b1:\u{e9}"), "half a character"),
        (format!("{head};b3:k=\n;x2:;;"), "a line's end inside"),
        (format!("{head};b8193:{}", "x".repeat(8193)), "more baggage than there may be"),
        ("1-10;t1:x".into(), "a tracestate of no trace"),
        (format!("{head};x{}:{}", 20_000, "x".repeat(20_000)), "longer than any"),
    ] {
        let shown: String = text.chars().take(80).collect();
        assert!(text.parse::<DurableContext>().is_err(), "{why}: {shown}");
    }
    for (text, why) in [
        (format!("{head};x3:abc;b3:k=v"), "sections of a later version are skipped"),
        (format!("{head};b3:k=v;t3:a=1"), "in any order"),
        (format!("{head};b3:k= "), "a blank of baggage's at the end"),
        ("1-10".into(), "a decision alone"),
        (format!("1-{T}-{P}-31"), "debug"),
        (format!("1-{T}-{P}-02"), "nobody has decided, random"),
    ] {
        assert!(text.parse::<DurableContext>().is_ok(), "{why}: {text}");
    }
}

#[test]
fn later_work_is_a_trace_of_its_own_with_a_link() {
    let (tracer, spans) = recorder();
    let stored = DurableContext::of(&full());
    let ambient = tracer.span("loop").start();
    let job = ambient.context().scope(|| tracer.span("job").resume(&stored).start());
    assert_eq!(job.context().baggage(), full().baggage(), "its baggage goes on");
    assert!(job.context().tracestate().is_none(), "what vendors said of the old trace does not");
    job.end(SpanEnd::Completed);
    let span = spans.one();
    assert_eq!(span.parent_span_id, None, "neither below the loop nor below the request");
    assert_ne!(span.span_context.trace_id(), remote(SAMPLED).trace_id());
    assert_eq!(span.links.len(), 1);
    assert_eq!(span.links[0].span_context, remote(SAMPLED));

    let below = tracer.span("job").parent(&stored.to_context()).start();
    assert_eq!(below.span_context().unwrap().trace_id(), remote(SAMPLED).trace_id(), "or below it, if that is asked");
    below.end(SpanEnd::Completed);
    assert_eq!(spans.take()[0].parent_span_id.unwrap().to_string(), P);
    drop(ambient);

    let nothing: DurableContext = "1-00".parse().unwrap();
    tracer.span("job").resume(&nothing).start().end(SpanEnd::Completed);
    assert!(spans.take().iter().all(|span| span.links.is_empty()));
}

#[cfg(feature = "serde")]
#[test]
fn serde_writes_texts() {
    let stored = DurableContext::of(&full());
    let json = serde_json::to_string(&stored).unwrap();
    assert_eq!(json, serde_json::to_string(&stored.to_string()).unwrap());
    assert_eq!(serde_json::from_str::<DurableContext>(&json).unwrap(), stored);
    assert!(
        serde_json::from_str::<DurableContext>("\"1-\"").unwrap_err().to_string().contains("invalid stored context")
    );
    assert!(
        serde_json::from_str::<DurableContext>("7").unwrap_err().to_string().contains("the text of a stored context")
    );
    let (trace, span): (TraceId, SpanId) = (T.parse().unwrap(), P.parse().unwrap());
    let json = serde_json::to_string(&(trace, span)).unwrap();
    assert_eq!(json, format!("[\"{T}\",\"{P}\"]"));
    assert_eq!(serde_json::from_str::<(TraceId, SpanId)>(&json).unwrap(), (trace, span));
}

proptest! {
    #[test]
    fn any_context_survives(
        trace in 1..u128::MAX, span in 1..u64::MAX, flags in 0..4_u8, state in 0..4_usize,
        tracestate in proptest::option::of("[a-z][a-z0-9]{0,8}=[!-+\\--<>-~]{1,20}(,[a-z]{3}=[!-+\\--<>-~]{1,9})?"),
        values in proptest::collection::vec("[ -~€;,]{0,30}", 0..5),
    ) {
        let state = [SamplingState::Defer, SamplingState::Deny, SamplingState::Accept, SamplingState::Debug][state];
        let flags = TraceFlags::from_bits(flags).with_sampled(state.is_sampled());
        let span = SpanContext::new(TraceId::from_u128(trace).unwrap(), SpanId::from_u64(span).unwrap(), flags);
        let tracestate = tracestate.and_then(|text| TraceState::parse(text.as_bytes()).ok());
        let baggage = values.iter().enumerate().fold(Baggage::new(), |all, (at, v)| all.with(&format!("k{at}"), v).unwrap());
        let before = Extracted::NOTHING.with_parent(span, state).to_context(&Context::ROOT);
        let before = before.with_tracestate(tracestate).with_baggage(baggage);
        let text = DurableContext::of(&before).to_string();
        let stored: DurableContext = text.parse().unwrap();
        let after = stored.to_context();
        prop_assert_eq!(after.span_context(), before.span_context());
        prop_assert_eq!(after.sampling_state(), state);
        prop_assert_eq!(after.tracestate(), before.tracestate());
        prop_assert_eq!(after.baggage(), before.baggage());
        prop_assert_eq!(stored.to_string(), text);
    }

    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,80}", at in 0..60_usize, byte in any::<char>()) {
        let _ = text.parse::<DurableContext>();
        let mut valid: Vec<char> = format!("1-{T}-{P}-21;t3:a=1").chars().collect();
        let at = at % valid.len();
        valid[at] = byte;
        let changed: String = valid.into_iter().collect();
        if let Ok(stored) = changed.parse::<DurableContext>() {
            prop_assert_eq!(stored.to_string().parse(), Ok(stored));
        }
    }
}

#[test]
fn an_environment_carries_all_formats_to_a_child() {
    let all = Composite::new(
        Format::NAMES.iter().filter(|name| **name != "xray-lambda").map(|name| Format::by_name(name).unwrap()),
    );
    let mut command = Command::new("env");
    command.env("TRACEPARENT", "stale").env("UBERCTX_OLD", "1").env("OTHER", "kept");
    all.inject_into(&full(), Allow::ALL, &mut EnvInjector::new(&mut command));
    let set = |command: &Command| -> Vec<(String, String)> {
        let text = |value: &std::ffi::OsStr| value.to_str().unwrap().to_owned();
        command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))).collect()
    };
    let names: Vec<_> = set(&command).into_iter().map(|(name, _)| name).collect();
    for wanted in
        ["TRACEPARENT", "TRACESTATE", "BAGGAGE", "B3", "X_B3_TRACEID", "X_AMZN_TRACE_ID", "UBER_TRACE_ID", "OTHER"]
    {
        assert!(names.iter().any(|name| name == wanted), "{wanted} of {names:?}");
    }
    assert!(!names.iter().any(|name| name == "UBERCTX_OLD"));
    let read = all.extract_from(&EnvExtractor::new(set(&command))).to_context(&Context::ROOT);
    assert_eq!(read.span_context().unwrap().span_id(), remote(SAMPLED).span_id());
    let w3c = Composite::w3c().extract_from(&EnvExtractor::new(set(&command))).to_context(&Context::ROOT);
    assert_eq!(
        (w3c.span_context(), w3c.tracestate(), w3c.baggage()),
        (full().span_context(), full().tracestate(), full().baggage())
    );

    // Nothing to tell: the child inherits nothing either.
    all.inject_into(&Context::ROOT, Allow::ALL, &mut EnvInjector::new(&mut command));
    assert_eq!(set(&command), [("OTHER".to_owned(), "kept".to_owned())]);
    let removed = command.get_envs().any(|(name, value)| name == "TRACEPARENT" && value.is_none());
    assert!(removed, "even if this process has it");
}

#[test]
fn only_variables_of_the_normal_spelling_count() {
    for (name, found) in
        [("TRACEPARENT", true), ("traceparent", false), ("TraceParent", false), ("TRACE_PARENT", false)]
    {
        let environment = EnvExtractor::new([(name, SAMPLED)]);
        assert_eq!(Composite::w3c().extract_from(&environment).span_context().is_some(), found, "{name}");
    }
    let environment = EnvExtractor::new([("UBERCTX_TENANT", "7"), ("UBER_TRACE_ID", "1:1:0:1")]);
    let context = Composite::new([Format::Jaeger]).extract_from(&environment).to_context(&Context::ROOT);
    assert_eq!(context.baggage().get("tenant"), Some("7"));
    assert!(!format!("{environment:?}").contains('7'), "names, not values");
}

/// `_X_AMZN_TRACE_ID` is the process's: this test starts itself as another one.
#[test]
fn lambda_s_variable_goes_before_the_header() {
    const VARIABLE: &str = "_X_AMZN_TRACE_ID";
    let header = format!("Root=1-{}-{};Parent={P};Sampled=0", &T[..8], &T[8..]);
    let carrier = vec![("X-Amzn-Trace-Id".to_owned(), header.clone())];
    let read = |name: &str| {
        let composite = Composite::new([Format::by_name(name).unwrap()]);
        composite.extract_from(&carrier).span_context().map(|span| span.trace_id().to_string()).unwrap_or_default()
    };
    match std::env::var(VARIABLE) {
        Err(_) => {
            assert_eq!(read("xray-lambda"), T, "without the variable the header counts");
            let other = header.replace(&T[..8], "00000001");
            for value in [&*other, "garbage"] {
                let mut child = Command::new(std::env::current_exe().unwrap());
                child.args(["--exact", "lambda_s_variable_goes_before_the_header"]).env(VARIABLE, value);
                let output = child.output().unwrap();
                assert!(output.status.success(), "{value}: {}", String::from_utf8_lossy(&output.stdout));
            }
        }
        Ok(value) if value == "garbage" => assert_eq!(read("xray-lambda"), T, "a malformed variable is none"),
        Ok(_) => {
            assert_eq!(read("xray-lambda"), T.replace(&T[..8], "00000001"));
            assert_eq!(read("xray"), T, "only the format that says so looks at it");
        }
    }
}
