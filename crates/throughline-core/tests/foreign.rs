//! Spans of another library as parents. The hook is the process's, hence a binary of its own.

mod common;

use std::cell::Cell;

use common::{SAMPLED, recorder, remote};
use throughline_core::propagation::Extracted;
use throughline_core::{
    Context, Instrumenter, SamplingState, SpanContext, SpanEnd, SpanId, SpanKind, TraceFlags, TraceId, TraceState,
    register_foreign_spans,
};

thread_local! {
    static FOREIGN: Cell<Option<SpanContext>> = const { Cell::new(None) };
}

fn register() {
    // The first of the tests does it.
    let _ = register_foreign_spans(|| FOREIGN.get());
}

fn foreign(span: u64) -> SpanContext {
    let trace = TraceId::from_u128(0xf00).expect("the test's own input is valid");
    SpanContext::new(
        trace,
        SpanId::from_u64(span).expect("the test's own input is valid"),
        TraceFlags::SAMPLED | TraceFlags::RANDOM,
    )
}

fn with<R>(span: Option<SpanContext>, work: impl FnOnce() -> R) -> R {
    let before = FOREIGN.replace(span);
    let result = work();
    FOREIGN.set(before);
    result
}

#[test]
fn there_is_one_per_process() {
    register();
    assert_eq!(register_foreign_spans(|| None), Err(()));
}

#[test]
fn the_newer_span_is_the_parent() {
    register();
    let (tracer, memory) = recorder();
    let ended = |span: throughline_core::Span| {
        span.end(SpanEnd::Completed);
        let span = memory.one();
        (span.span_context.trace_id(), span.parent_span_id)
    };
    let (f, g) = (foreign(1), foreign(2));
    assert_eq!(ended(tracer.span("alone").start()).1, None);
    with(Some(f), || {
        let ours = tracer.span("below f").start();
        let id = ours.span_context().unwrap();
        assert_eq!(id.trace_id(), f.trace_id());
        ours.context().scope(|| {
            assert_eq!(ended(tracer.span("f is older").start()).1, Some(id.span_id()));
            with(Some(g), || {
                assert_eq!(ended(tracer.span("g is newer").start()), (g.trace_id(), Some(g.span_id())));
                let below_g = tracer.span("below g").start();
                let inner = below_g.span_context().unwrap().span_id();
                below_g.context().scope(|| assert_eq!(ended(tracer.span("span").start()).1, Some(inner)));
                drop(below_g);
                memory.take();
            });
            assert_eq!(ended(tracer.span("g has ended").start()).1, Some(id.span_id()));
            with(None, || assert_eq!(ended(tracer.span("none is current").start()).1, Some(id.span_id())));
        });
        assert_eq!(ended(ours).1, Some(f.span_id()));
    });
}

#[test]
fn a_foreign_parent_decides_on_sampling() {
    register();
    let (tracer, memory) = recorder();
    let unsampled = SpanContext::new(foreign(1).trace_id(), foreign(1).span_id(), TraceFlags::NONE);
    with(Some(unsampled), || tracer.span("span").start().end(SpanEnd::Completed));
    assert!(memory.spans().is_empty());
}

#[test]
fn a_root_stays_a_root() {
    register();
    let (tracer, memory) = recorder();
    with(Some(foreign(1)), || tracer.span("root").root().start().end(SpanEnd::Completed));
    assert_eq!(memory.one().parent_span_id, None);
}

#[test]
fn what_came_over_the_wire_is_the_parent() {
    register();
    let (tracer, memory) = recorder();
    let jobs = Instrumenter::new(&tracer, common::Job::new(SpanKind::Server, None));
    let extracted = Extracted::NOTHING.with_parent(remote(SAMPLED), SamplingState::Accept);
    with(Some(foreign(1)), || jobs.end(jobs.start_remote(&extracted, &1), &2, SpanEnd::Completed));
    assert_eq!(memory.one().parent_span_id, Some(remote(SAMPLED).span_id()));
}

#[test]
fn a_foreign_parent_of_another_trace_brings_no_tracestate_of_ours() {
    register();
    let (tracer, memory) = recorder();
    let state = TraceState::parse(b"a=1").unwrap();
    let context = Context::ROOT.with_span_context(remote(SAMPLED)).with_tracestate(Some(state));
    context.scope(|| with(Some(foreign(3)), || tracer.span("span").start().end(SpanEnd::Completed)));
    let span = memory.one();
    assert_eq!(span.parent_span_id, Some(foreign(3).span_id()));
    assert_eq!(span.tracestate, None);
}

#[test]
fn a_local_root_is_known_through_foreign_spans_of_its_trace_only() {
    register();
    let (tracer, _memory) = recorder();
    let root = tracer.span("root").start();
    let id = root.span_context().expect("a span has ids");
    let between = SpanContext::new(id.trace_id(), foreign(2).span_id(), id.flags());
    for (span, wanted) in [(between, Some(id)), (foreign(3), None)] {
        let child = root.context().scope(|| with(Some(span), || tracer.span("child").start()));
        assert_eq!(child.context().local_root_span().span_context(), wanted);
    }
    let below = with(Some(foreign(1)), || tracer.span("below another library's").start());
    assert_eq!(below.context().local_root_span().span_context(), None);
}
