//! The one engine behind every instrumentation.

use crate::attribute::AttributeVisitor;
use crate::propagation::Extracted;
use crate::record::Sort;
use crate::stats::count;
use crate::tracer::{Draft, Parent, Traits};
use crate::{Context, Recording, Scope, SemanticKey, Span, SpanEnd, SpanKind, SpanName, Tracer};

/// Describes one protocol to the [`Instrumenter`]: HTTP, gRPC, messages, jobs.
///
/// An operation has no span logic of its own: it names things and knows the protocol's attributes. It sees requests and
/// responses through borrowed views.
pub trait Operation: Send + Sync + 'static {
    /// What is known at the start.
    type Request<'a>;
    /// What is known at the end.
    type Response<'a>;

    /// Which side of which protocol this is. Like the next two it is asked once, when the instrumenter is made.
    fn kind(&self) -> SpanKind;

    /// What suppresses a nested operation, if anything does.
    fn semantic_key(&self) -> Option<SemanticKey>;

    /// The library.
    fn scope(&self) -> &'static Scope;

    /// The span's name, of low cardinality.
    fn name<'r>(&self, request: &'r Self::Request<'_>) -> SpanName<'r>;

    /// Shows the attributes that are known at the start. They are visited for the sampler, if it asks, and for the record:
    /// keys do not repeat.
    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, request: &Self::Request<'_>, to: &mut V);

    /// Adds links to the record, after the attributes; by default none. A span that is not recorded has no links, and
    /// samplers do not see them.
    fn links(&self, request: &Self::Request<'_>, span: &mut Recording<'_>) {
        let _ = (request, span);
    }

    /// Writes what is known only at the end: attributes, then the status.
    fn end(&self, response: &Self::Response<'_>, span: &mut Recording<'_>);
}

/// Starts and ends the spans of one [`Operation`].
///
/// The order is OpenTelemetry Java's. Start: name → attributes → sampler → span → links → listeners →
/// processors. End: attributes and status → listeners in reverse → processors → sink. `start` is preceded by [`should_start`](Self::should_start), which the
/// instrumentation asks.
#[derive(Clone, Debug)]
pub struct Instrumenter<O> {
    tracer: Tracer,
    operation: O,
    traits: Traits,
}

impl<O: Operation> Instrumenter<O> {
    /// An instrumentation of the protocol, with this tracer.
    ///
    /// Operations that panic later, in their other methods, are counted in
    /// [`Stats::hook_panics`](crate::Stats::hook_panics); the application does not notice.
    #[must_use]
    pub fn new(tracer: &Tracer, operation: O) -> Self {
        let sort = Sort { kind: operation.kind(), key: operation.semantic_key() };
        let traits = Traits::new(sort, operation.scope());
        Self { tracer: tracer.clone(), operation, traits }
    }

    /// The tracer.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// The protocol.
    #[must_use]
    pub fn operation(&self) -> &O {
        &self.operation
    }

    /// The protocol, to be set up: kind, key and scope were asked once and stay.
    pub fn operation_mut(&mut self) -> &mut O {
        &mut self.operation
    }

    /// Whether an operation gets a span here: the tracer is on, and the context has none of the same kind.
    ///
    /// Without one the caller passes the ambient context on.
    #[inline]
    #[must_use]
    pub fn should_start(&self, context: &Context) -> bool {
        if !self.tracer.is_enabled() || context.is_instrumentation_suppressed() {
            return false;
        }
        let suppressed = self.traits.sort.key.is_some_and(|key| context.is_suppressed(key));
        if suppressed {
            count(&self.tracer.inner().counters.suppressed);
        }
        !suppressed
    }

    /// As [`should_start`](Self::should_start) for the current context, which is not cloned for it.
    #[inline]
    #[must_use]
    pub fn should_start_here(&self) -> bool {
        Context::peek(|context| self.should_start(context))
    }

    /// Starts a span below the current context.
    #[inline]
    pub fn start(&self, request: &O::Request<'_>) -> Span {
        self.begin(Parent::Current, request)
    }

    /// Starts a span below this context.
    #[inline]
    pub fn start_in(&self, parent: &Context, request: &O::Request<'_>) -> Span {
        self.begin(Parent::Context(parent), request)
    }

    /// Starts a span below what came over the wire, or below the current context if nothing did.
    #[inline]
    pub fn start_remote(&self, parent: &Extracted<'_>, request: &O::Request<'_>) -> Span {
        self.begin(Parent::Remote(parent), request)
    }

    #[inline]
    fn begin(&self, parent: Parent<'_>, request: &O::Request<'_>) -> Span {
        self.tracer.start(parent, &self.traits, &mut Described { operation: &self.operation, request })
    }

    /// Ends a span that this instrumenter started.
    #[inline]
    pub fn end(&self, span: Span, response: &O::Response<'_>, end: SpanEnd) {
        span.end_with(end, |span| {
            self.tracer.guarded(|| self.operation.end(response, span));
        });
    }
}

/// The draft of an [`Instrumenter`].
struct Described<'a, 'r, O: Operation> {
    operation: &'a O,
    request: &'a O::Request<'r>,
}

impl<O: Operation> Draft for Described<'_, '_, O> {
    fn name(&self) -> SpanName<'_> {
        self.operation.name(self.request)
    }

    fn show(&self, visitor: &mut dyn AttributeVisitor) {
        self.operation.start_attributes(self.request, visitor);
    }

    #[inline]
    fn write(&mut self, span: &mut Recording<'_>) {
        span.start_with_name(self.operation.name(self.request));
        self.operation.start_attributes(self.request, span);
        self.operation.links(self.request, span);
    }
}
