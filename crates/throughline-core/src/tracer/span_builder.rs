//! How one span is set up by hand.

use std::fmt;
use std::time::Instant;

use super::{Draft, Parent, Tracer, Traits};
use crate::attribute::{AttributeVisitor, Attributes as _, Key, Value};
use crate::record::Sort;
use crate::{Context, DurableContext, Recording, Scope, SemanticKey, Span, SpanEnd, SpanKind, SpanName};

/// Sets up one span; made by [`Tracer::span`].
#[must_use = "no span is made before `start`"]
pub struct SpanBuilder<'a> {
    tracer: &'a Tracer,
    name: SpanName<'a>,
    traits: Traits,
    parent: Parent<'a>,
    attributes: &'a [(Key<'a>, Value<'a>)],
}

// === impl SpanBuilder ===

impl<'a> SpanBuilder<'a> {
    #[inline]
    pub(super) fn new(tracer: &'a Tracer, name: SpanName<'a>) -> Self {
        Self { tracer, name, traits: BY_HAND, parent: Parent::Current, attributes: &[] }
    }

    /// The kind; by default internal.
    #[inline]
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.traits.set_kind(kind);
        self
    }

    /// The context that the span is a child of; by default the current one.
    #[inline]
    pub fn parent(mut self, parent: &'a Context) -> Self {
        self.parent = Parent::Context(parent);
        self
    }

    /// No parent: the span begins a new trace, without baggage and values of the current context.
    #[inline]
    pub fn root(self) -> Self {
        static ROOT: Context = Context::ROOT;
        self.parent(&ROOT)
    }

    /// No parent, but a link to the span that was current when a context was stored, and its baggage: for work that is done
    /// on its own account, later. To go on below the stored span instead, use its
    /// [`to_context`](DurableContext::to_context) as the [`parent`](Self::parent).
    ///
    /// Whether the new trace is recorded is decided anew.
    #[inline]
    pub fn resume(mut self, stored: &'a DurableContext) -> Self {
        self.parent = Parent::Stored(stored);
        self
    }

    /// Attributes that the sampler may look at.
    #[inline]
    pub fn attributes(mut self, attributes: &'a [(Key<'a>, Value<'a>)]) -> Self {
        self.attributes = attributes;
        self
    }

    /// When the work began, if that was before now.
    pub fn start_time(mut self, start: Instant) -> Self {
        self.traits.start = Some(start);
        self
    }

    /// What the span is about, for the suppression of nested ones.
    pub fn semantic_key(mut self, key: SemanticKey) -> Self {
        self.traits.set_key(key);
        self
    }

    /// The library that makes the span; by default the application.
    pub fn scope(mut self, scope: &'static Scope) -> Self {
        self.traits.scope = scope;
        self
    }

    /// Starts the span.
    #[inline]
    pub fn start(self) -> Span {
        self.start_with(|_| {})
    }

    /// Starts the span and lets `fill` write to it, if it is recorded: the cheapest way to set attributes.
    ///
    /// ```
    /// use throughline_core::{SpanEnd, Tracer};
    ///
    /// let tracer = Tracer::builder().build();
    /// let span = tracer.span("cache look-up").start_with(|span| {
    ///     span.push("cache.name", "users");
    ///     span.push("cache.hit", true);
    /// });
    /// span.end(SpanEnd::Completed);
    /// ```
    #[inline]
    pub fn start_with(self, fill: impl FnOnce(&mut Recording<'_>)) -> Span {
        let mut manual = Manual { builder: &self, fill: Some(fill) };
        self.tracer.start(self.parent, &self.traits, &mut manual)
    }

    /// Runs `work` as the span: it starts now, is current meanwhile, and ends when `work` returns, or as panicked when
    /// a panic passes through. For work without `.await`.
    ///
    /// ```
    /// use throughline_core::{Context, Tracer};
    ///
    /// let tracer = Tracer::builder().build();
    /// let sum: u32 = tracer.span("checksum").in_scope(|| {
    ///     Context::current().span().set("bytes", 3_u32);
    ///     [1, 2, 3].iter().sum()
    /// });
    /// assert_eq!(sum, 6);
    /// ```
    pub fn in_scope<R>(self, work: impl FnOnce() -> R) -> R {
        let armed = Armed(self.start());
        let result = armed.0.context().scope(work);
        armed.complete();
        result
    }
}

/// Ends its span as panicked, unless it is told otherwise.
struct Armed(Span);

impl Armed {
    fn complete(mut self) {
        std::mem::replace(&mut self.0, Span::NONE).end(SpanEnd::Completed);
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        std::mem::replace(&mut self.0, Span::NONE).end(SpanEnd::Panicked);
    }
}

/// The draft of a [`SpanBuilder`].
struct Manual<'b, 'a, F> {
    builder: &'b SpanBuilder<'a>,
    fill: Option<F>,
}

impl<F: FnOnce(&mut Recording<'_>)> Draft for Manual<'_, '_, F> {
    fn name(&self) -> SpanName<'_> {
        self.builder.name
    }

    fn show(&self, visitor: &mut dyn AttributeVisitor) {
        self.builder.attributes.visit(visitor);
    }

    #[inline]
    fn write(&mut self, span: &mut Recording<'_>) {
        span.start_with_name(self.builder.name);
        for (key, value) in self.builder.attributes {
            span.push(*key, *value);
        }
        if let Parent::Stored(stored) = self.builder.parent {
            if let Some(stored) = stored.span_context() {
                span.link(stored, &[]);
            }
        }
        if let Some(fill) = self.fill.take() {
            fill(span);
        }
    }
}

impl fmt::Debug for SpanBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

const BY_HAND: Traits = Traits::new(Sort { kind: SpanKind::Internal, key: None }, &APPLICATION);
static APPLICATION: Scope = Scope { name: "throughline", version: env!("CARGO_PKG_VERSION") };
