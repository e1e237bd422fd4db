//! The smallest protocol: its request is a number, and so is its response.

use throughline_core::{AttributeVisitor, Key, Operation, Recording, Scope, SemanticKey, SpanKind, SpanName, Value};

pub(crate) struct Job {
    kind: SpanKind,
    key: Option<SemanticKey>,
}

impl Job {
    pub(crate) fn new(kind: SpanKind, key: Option<SemanticKey>) -> Self {
        Self { kind, key }
    }
}

impl Operation for Job {
    type Request<'a> = u32;
    type Response<'a> = u32;

    fn kind(&self) -> SpanKind {
        self.kind
    }

    fn semantic_key(&self) -> Option<SemanticKey> {
        self.key
    }

    fn scope(&self) -> &'static Scope {
        static TEST: Scope = Scope { name: "test", version: "7" };
        &TEST
    }

    fn name<'r>(&self, _: &'r u32) -> SpanName<'r> {
        SpanName::Static(&"job")
    }

    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, request: &u32, to: &mut V) {
        to.attribute(Key::new("job.request"), Value::from(*request));
    }

    fn end(&self, response: &u32, span: &mut Recording<'_>) {
        span.push("job.response", *response);
    }
}
