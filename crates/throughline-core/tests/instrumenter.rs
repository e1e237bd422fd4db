//! What an operation can say of its spans, and when it is asked.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{SAMPLED, recorder_with, remote};
use throughline_core::{
    AlwaysOff, AlwaysOn, AttributeVisitor, Instrumenter, Key, Operation, Recording, Sampler, Scope, SemanticKey,
    SpanEnd, SpanKind, SpanName, Value,
};

/// An operation that links to another span, as a message that is processed links to the one that was sent.
#[derive(Clone, Default)]
struct Linked(Arc<AtomicU32>);

impl Operation for Linked {
    type Request<'a> = u32;
    type Response<'a> = ();

    fn kind(&self) -> SpanKind {
        SpanKind::Consumer
    }

    fn semantic_key(&self) -> Option<SemanticKey> {
        None
    }

    fn scope(&self) -> &'static Scope {
        static TEST: Scope = Scope { name: "test", version: "7" };
        &TEST
    }

    fn name<'r>(&self, _: &'r u32) -> SpanName<'r> {
        SpanName::Static(&"job")
    }

    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, request: &u32, to: &mut V) {
        to.attribute(Key::new("n"), Value::from(*request));
    }

    fn links(&self, request: &u32, span: &mut Recording<'_>) {
        assert!(span.has("n"), "attributes come first");
        self.0.fetch_add(1, Ordering::Relaxed);
        span.link(remote(SAMPLED), &[(Key::new("position"), Value::from(*request))]);
    }

    fn end(&self, (): &(), _: &mut Recording<'_>) {}
}

#[test]
fn an_operations_links_are_asked_for_once_and_only_for_a_record() {
    fn run(sampler: impl Sampler) -> (u32, Vec<usize>) {
        let (tracer, memory) = recorder_with(|builder| builder.sampler(sampler));
        let jobs = Instrumenter::new(&tracer, Linked::default());
        jobs.end(jobs.start(&3), &(), SpanEnd::Completed);
        for span in memory.spans() {
            assert_eq!(span.links[0].span_context, remote(SAMPLED));
            assert_eq!(span.links[0].attributes, [("position".into(), 3.into())]);
        }
        (jobs.operation().0.load(Ordering::Relaxed), memory.take().iter().map(|span| span.links.len()).collect())
    }
    assert_eq!(run(AlwaysOn), (1, vec![1]));
    assert_eq!(run(AlwaysOff), (0, vec![]));
}
