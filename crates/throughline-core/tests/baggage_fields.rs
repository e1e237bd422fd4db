//! Declared fields of baggage: what travels, what stays, and who sees an update.

mod common;

use std::collections::HashMap;

use common::{Job, SAMPLED, recorder, recorder_with, remote, written};
use throughline_core::propagation::{Allow, Composite, Format};
use throughline_core::{
    AlwaysOff, Baggage, BaggageField, BaggageUpdateError, Context, Instrumenter, Span, SpanKind, Tracer,
};

static TENANT: BaggageField = BaggageField::remote("tenant");
static PLAN: BaggageField = BaggageField::remote("plan");
static USER: BaggageField = BaggageField::local("user");

fn declared(formats: &[Format]) -> Composite {
    Composite::new(formats.iter().cloned()).baggage_fields([&TENANT, &PLAN, &USER])
}

fn request(tracer: &Tracer, baggage: &str) -> Span {
    let carrier = vec![("traceparent".to_owned(), SAMPLED.to_owned()), ("baggage".to_owned(), baggage.to_owned())];
    let extracted = tracer.propagator().extract_from(&carrier);
    Instrumenter::new(tracer, Job::new(SpanKind::Server, None)).start_remote(&extracted, &1)
}

fn sent(tracer: &Tracer, context: &Context) -> String {
    let mut out = HashMap::new();
    tracer.propagator().inject_into(context, Allow::ALL, &mut out);
    out.remove("baggage").unwrap_or_default()
}

#[test]
fn only_declared_fields_come_in_and_leave() {
    let (tracer, _) = recorder_with(|builder| builder.propagator(declared(&[Format::TraceContext, Format::Baggage])));
    for (line, wanted, why) in [
        ("tenant=7,session=secret, plan = gold", "tenant=7,plan=gold", "the others are dropped"),
        ("session=secret", "", "nothing is left"),
        ("TENANT=7", "", "keys are case-sensitive"),
        ("user=mallory", "", "a local field does not come in"),
        ("tenant=a=b;p=1", "tenant=a=b;p=1", "whatever the value is"),
    ] {
        let span = request(&tracer, line);
        assert_eq!(span.context().baggage().to_string(), wanted, "{why}");
        assert_eq!(sent(&tracer, &span.context()), wanted, "{why}");
    }
    let span = request(&tracer, "tenant=7");
    let more = span.context().with_baggage(span.context().baggage().with("cart", "9").unwrap());
    assert_eq!(sent(&tracer, &more), "tenant=7", "what nobody declared does not leave");
    assert_eq!(more.baggage().get("cart"), Some("9"), "and is there all the same");

    let jaeger = declared(&[Format::Jaeger]);
    let mut out = HashMap::new();
    jaeger.inject_into(&more, Allow::ALL, &mut out);
    assert!(out.contains_key("uberctx-tenant") && !out.contains_key("uberctx-cart"), "{out:?}");
    let carrier = vec![("uberctx-tenant".to_owned(), "7".to_owned()), ("uberctx-session".to_owned(), "x".to_owned())];
    let context = jaeger.extract_from(&carrier).to_context(&Context::ROOT);
    assert_eq!(context.baggage().to_string(), "tenant=7");
}

#[test]
fn an_update_is_seen_by_the_whole_trace_in_this_process() {
    let (tracer, _) = recorder_with(|builder| builder.propagator(declared(&[Format::TraceContext, Format::Baggage])));
    for line in ["tenant=1", "", "session=x"] {
        let root = request(&tracer, line);
        let child = root.context().scope(|| tracer.span("child").start());
        let sibling = root.context().scope(|| tracer.span("sibling").start());
        let derived = child.context().with_value(7_u32);
        let other = request(&tracer, line);
        let context = child.context();
        std::thread::spawn(move || TENANT.update_in(&context, "9")).join().unwrap().unwrap();
        for (context, who) in [
            (root.context(), "above"),
            (child.context(), "here"),
            (sibling.context(), "beside"),
            (derived, "derived before"),
            (child.context().with_value(8_u32), "derived after"),
            (child.context().scope(|| tracer.span("grandchild").start()).context(), "below"),
        ] {
            assert_eq!(TENANT.value_in(&context).as_deref(), Some("9"), "{who}: {line:?}");
            assert_eq!(sent(&tracer, &context), "tenant=9", "{who}: {line:?}");
        }
        assert_ne!(TENANT.value_in(&other.context()).as_deref(), Some("9"), "another request: {line:?}");
        PLAN.update_in(&root.context(), "gold").unwrap();
        assert_eq!(sent(&tracer, &sibling.context()), "tenant=9,plan=gold", "one after the other");
        let own = root.context().with_baggage(Baggage::new().with("tenant", "own").unwrap());
        TENANT.update_in(&own, "5").unwrap();
        assert_eq!(TENANT.value_in(&root.context()).as_deref(), Some("9"), "baggage of its own is apart");
    }
}

#[test]
fn local_fields_stay_in_the_process() {
    let (tracer, _) = recorder_with(|builder| builder.propagator(declared(&[Format::TraceContext, Format::Baggage])));
    let span = request(&tracer, "tenant=7");
    USER.update_in(&span.context(), "alice").unwrap();
    assert_eq!(USER.value_in(&span.context()).as_deref(), Some("alice"));
    assert_eq!(sent(&tracer, &span.context()), "tenant=7");
    let only = Context::ROOT.with_baggage(Baggage::new().with_local("user", "alice").unwrap());
    assert!(only.has_baggage() && !only.has_remote_baggage());
    assert!(written(&only, Allow::ALL).is_empty());
    assert!(Baggage::new().with_local("user", &"x".repeat(9000)).is_err(), "bounded all the same");
}

#[test]
fn unsampled_traces_share_updates_too() {
    let propagator = declared(&[Format::TraceContext, Format::Baggage]);
    let (tracer, _) = recorder_with(|builder| builder.propagator(propagator).sampler(AlwaysOff));
    let root = tracer.span("root").start();
    let child = root.context().scope(|| tracer.span("child").start());
    child.context().scope(|| TENANT.update("7")).unwrap();
    assert_eq!(root.context().scope(|| TENANT.value()).as_deref(), Some("7"));
    drop((child, root));
    let next = tracer.span("next").start();
    assert_eq!(TENANT.value_in(&next.context()), None, "a node that is used again has forgotten it");
}

#[test]
fn a_tracer_that_is_switched_off_does_not_make_updates_fail() {
    let composite = || declared(&[Format::TraceContext, Format::Baggage]);
    let (tracer, _) = recorder_with(|builder| builder.propagator(composite()).enabled(false));
    let span = tracer.span("x").start();
    TENANT.update_in(&span.context(), "7").unwrap();
    assert_eq!(sent(&tracer, &span.context()), "tenant=7");
    // What is skipped has no span at all.
    let nothing: Vec<(String, String)> = Vec::new();
    let context = tracer.propagator().extract_from(&nothing).to_context(&Context::ROOT);
    TENANT.update_in(&context, "8").unwrap();
    assert_eq!(TENANT.value_in(&context).as_deref(), Some("8"));
    let context = tracer.propagator().extract_headers(&http::HeaderMap::new()).to_context(&Context::ROOT);
    TENANT.update_in(&context, "9").unwrap();
}

#[test]
fn what_nothing_shares_cannot_be_updated() {
    let error = TENANT.update("7").unwrap_err();
    assert_eq!(error, BaggageUpdateError::NotShared);
    assert!(error.to_string().contains("baggage_fields"));
    let (tracer, _) = recorder();
    let span = tracer.span("undeclared").start();
    assert_eq!(TENANT.update_in(&span.context(), "7"), Err(BaggageUpdateError::NotShared));
    let with =
        Context::ROOT.with_span_context(remote(SAMPLED)).with_baggage(Baggage::new().with("tenant", "1").unwrap());
    TENANT.update_in(&with, "2").unwrap();
    assert_eq!(TENANT.value_in(&with).as_deref(), Some("2"), "where there is baggage, it is shared");
    let long = TENANT.update_in(&with, &"x".repeat(9000)).unwrap_err();
    assert!(matches!(long, BaggageUpdateError::Invalid(_)));
    assert_eq!(TENANT.value_in(&with).as_deref(), Some("2"), "the old value stays");
}
