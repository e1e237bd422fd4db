//! The handle that everything which makes spans holds.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::attribute::{AttributeVisitor, Attributes as _, Key, Value};
use crate::context::node::{self, Node};
use crate::kind::Suppression;
use crate::listener::{End, Listener, Start};
use crate::propagation::{Composite, Extracted};
use crate::random::{IdGenerator, RandomIds};
use crate::record::{ERROR_TYPE, Record, StatusCode};
use crate::stats::{Counters, Stats, count};
use crate::{
    AlwaysOn, Clock, Context, FinishedSpan, NoSink, ParentBased, Recording, Resource, Sampler, SamplingDecision,
    SamplingInput, SamplingState, Scope, SemanticKey, Span, SpanContext, SpanEnd, SpanId, SpanKind, SpanLimits,
    SpanName, SpanSink, TraceFlags, TraceId,
};

/// Makes spans: sampler, sink, ids, clock, limits, resource, propagator and listeners behind one `Arc`.
///
/// Every layer and instrumentation holds one; no process-global is needed. A clone is one refcount. A thread that made
/// spans keeps the tracer of the last ones alive until it ends: a sink that has to flush is told to, it does not wait for
/// its `Drop`.
///
/// ```
/// use throughline_core::{SpanEnd, Tracer};
///
/// let tracer = Tracer::builder().build();
/// let span = tracer.span("load user").start();
/// span.set("user.id", 42_u32);
/// span.end(SpanEnd::Completed);
/// ```
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

/// Sets up a [`Tracer`]; made by [`Tracer::builder`].
#[must_use]
pub struct TracerBuilder {
    inner: Inner,
}

/// Sets up one span; made by [`Tracer::span`].
#[must_use = "no span is made before `start`"]
pub struct SpanBuilder<'a> {
    tracer: &'a Tracer,
    name: SpanName<'a>,
    traits: Traits,
    parent: Parent<'a>,
    attributes: &'a [(Key<'a>, Value<'a>)],
    start: Option<Instant>,
}

pub(crate) struct Inner {
    sampler: Box<dyn Sampler>,
    /// The sampler's own word: it is not asked where a parent has decided.
    follows_parent: bool,
    sink: Arc<dyn SpanSink>,
    ids: Option<Box<dyn IdGenerator>>,
    clock: Clock,
    limits: SpanLimits,
    resource: Resource,
    propagator: Composite,
    listeners: Vec<Box<dyn Listener>>,
    listens: bool,
    enabled: bool,
    pub(crate) counters: Counters,
}

/// What a new span is, but for its name and attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    pub(crate) kind: SpanKind,
    pub(crate) key: Option<SemanticKey>,
    pub(crate) scope: &'static Scope,
}

/// A span to be: asked for its name and attributes only if somebody wants them.
pub(crate) trait Draft {
    fn traits(&self) -> Traits;
    fn name(&self) -> SpanName<'_>;
    /// The attributes, for a sampler that looks at them.
    fn show(&self, visitor: &mut dyn AttributeVisitor);
    /// The attributes and links, for the record.
    fn write(&mut self, span: &mut Recording<'_>);
}

/// What a new span is a child of.
#[derive(Clone, Copy)]
pub(crate) enum Parent<'a> {
    /// Whatever is current.
    Current,
    /// This context.
    Context(&'a Context),
    /// What came over the wire; whatever is current if nothing did.
    Remote(&'a Extracted<'a>),
}

// === impl Tracer ===

impl Tracer {
    /// A tracer that samples what its parents sampled, and every trace without a parent, and has no sink yet.
    pub fn builder() -> TracerBuilder {
        TracerBuilder {
            inner: Inner {
                sampler: Box::new(ParentBased::<AlwaysOn>::default()),
                follows_parent: true,
                sink: Arc::new(NoSink),
                ids: None,
                clock: Clock::system(),
                limits: SpanLimits::DEFAULT,
                resource: Resource::default(),
                propagator: Composite::w3c(),
                listeners: Vec::new(),
                listens: false,
                enabled: true,
                counters: Counters::default(),
            },
        }
    }

    /// A tracer that records nothing and propagates all the same: for libraries whose user has set up none.
    #[must_use]
    pub fn noop() -> &'static Self {
        static NOOP: OnceLock<Tracer> = OnceLock::new();
        NOOP.get_or_init(|| Self::builder().enabled(false).build())
    }

    /// The tracer that the process installed, else the one of [`noop`](Self::noop).
    #[must_use]
    pub fn global() -> &'static Self {
        GLOBAL.get().unwrap_or_else(Self::noop)
    }

    /// Makes this the process's tracer, for code that has neither a handle nor a context with one.
    ///
    /// # Errors
    ///
    /// There is one already; the tracer is given back.
    pub fn install_global(self) -> Result<(), Self> {
        GLOBAL.set(self)
    }

    /// The tracer of the current context, else the process's.
    #[must_use]
    pub fn current() -> Self {
        Context::peek(|context| context.tracer().cloned()).unwrap_or_else(|| Self::global().clone())
    }

    /// Sets up a span, by default an internal one below the current context.
    #[inline]
    pub fn span<'a>(&'a self, name: impl Into<SpanName<'a>>) -> SpanBuilder<'a> {
        SpanBuilder {
            tracer: self,
            name: name.into(),
            traits: Traits { kind: SpanKind::Internal, key: None, scope: &APPLICATION },
            parent: Parent::Current,
            attributes: &[],
            start: None,
        }
    }

    /// The formats that are read and written.
    #[inline]
    #[must_use]
    pub fn propagator(&self) -> &Composite {
        &self.0.propagator
    }

    /// The service.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// What one span may hold.
    #[must_use]
    pub fn limits(&self) -> &SpanLimits {
        &self.0.limits
    }

    /// Whether instrumentations make spans. A tracer that is switched off propagates all the same.
    #[inline]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.read()
    }

    /// Counts baggage that an egress policy withheld.
    #[doc(hidden)]
    pub fn count_baggage_withheld(&self) {
        count(&self.0.counters.baggage_withheld);
    }

    #[inline]
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Starts a span: parent → ids → sampler on a borrowed view → record, if sampled → share.
    ///
    /// One copy for the whole program, with all steps inlined: what differs comes through the draft.
    #[inline(never)]
    pub(crate) fn start(&self, parent: Parent<'_>, draft: &mut dyn Draft, start: Option<Instant>) -> Span {
        let mut node = node::take();
        loop {
            let Some(unique) = Arc::get_mut(&mut node) else {
                node = Arc::new(Node::fresh());
                continue;
            };
            let traits = draft.traits();
            let parent = self.descend(unique, parent, traits.kind.is_entry());
            if !self.0.enabled || unique.suppression.is_all() {
                // No span, but the context goes on as it is.
                return Span::new(node);
            }
            let span_context = self.identify(unique, parent.as_ref(), &traits, draft);
            if unique.recording {
                self.open(unique, span_context, parent.as_ref(), &traits, start);
                let record = unique.record_mut();
                self.guarded(|| {
                    record.set_name(draft.name());
                    draft.write(&mut Recording(record));
                });
                if self.0.listens {
                    self.tell_start(unique, &traits);
                }
            }
            return Span::new(node);
        }
    }

    /// Fills the node with what it has from its parent, and returns that parent.
    #[inline(always)]
    fn descend(&self, node: &mut Node, parent: Parent<'_>, entry: bool) -> Option<SpanContext> {
        let explicit = match parent {
            Parent::Current => {
                Context::peek(|current| node.inherit(current));
                false
            }
            Parent::Context(context) => {
                node.inherit(context);
                true
            }
            Parent::Remote(extracted) => Context::peek(|current| {
                node.inherit(current);
                if !extracted.is_empty() {
                    node.adopt(extracted, current);
                }
                extracted.span_context.is_some()
            }),
        };
        if entry && !node.suppression.is_all() {
            // What the caller was doing says nothing about the one who answers.
            node.suppression = Suppression::NONE;
        }
        if let Some(current) = FOREIGN.get().filter(|_| !explicit) {
            descend_foreign(node, current());
        }
        if !node.tracer.as_ref().is_some_and(|known| Arc::ptr_eq(&known.0, &self.0)) {
            node.tracer = Some(self.clone());
            let record = node.record_mut();
            record.limits = self.0.limits;
            record.clock = self.0.clock.clone();
        }
        node.span_context
    }

    /// Gives the node ids and a sampling decision.
    #[inline(always)]
    fn identify(
        &self,
        node: &mut Node,
        parent: Option<&SpanContext>,
        traits: &Traits,
        draft: &dyn Draft,
    ) -> SpanContext {
        let (trace_id, flags) = match parent {
            Some(parent) => (parent.trace_id(), parent.flags()),
            None => match &self.0.ids {
                None => (RandomIds.trace_id(), TraceFlags::RANDOM),
                Some(ids) if ids.is_random() => (ids.trace_id(), TraceFlags::RANDOM),
                Some(ids) => (ids.trace_id(), TraceFlags::NONE),
            },
        };
        let sampled = match (self.0.follows_parent, node.sampling) {
            (true, SamplingState::Accept | SamplingState::Debug) => true,
            (true, SamplingState::Deny) => false,
            _ => self.ask_sampler(node, parent, trace_id, traits, draft),
        };
        node.sampling = match (sampled, node.sampling) {
            (false, _) => SamplingState::Deny,
            (true, SamplingState::Debug) => SamplingState::Debug,
            (true, _) => SamplingState::Accept,
        };
        let span_context = SpanContext::new(trace_id, self.span_id(), flags.with_sampled(sampled));
        node.span_context = Some(span_context);
        node.suppression = node.suppression.with(traits.key);
        node.recording = sampled || self.0.listens;
        span_context
    }

    fn ask_sampler(
        &self,
        node: &Node,
        parent: Option<&SpanContext>,
        trace_id: TraceId,
        traits: &Traits,
        draft: &dyn Draft,
    ) -> bool {
        let visit = |visitor: &mut dyn AttributeVisitor| draft.show(visitor);
        let decide = || {
            self.0.sampler.sample(&SamplingInput {
                parent,
                state: node.sampling,
                trace_id,
                tracestate: node.extras.as_deref().map_or(&[], |extras| &extras.tracestate.raw),
                kind: traits.kind,
                name: draft.name(),
                attributes: &visit,
            })
        };
        self.guarded(decide) == Some(SamplingDecision::Sample)
    }

    #[inline(always)]
    fn span_id(&self) -> SpanId {
        match &self.0.ids {
            None => RandomIds.span_id(),
            Some(ids) => ids.span_id(),
        }
    }

    #[inline(always)]
    fn open(
        &self,
        node: &mut Node,
        span_context: SpanContext,
        parent: Option<&SpanContext>,
        traits: &Traits,
        start: Option<Instant>,
    ) {
        let anchor = node.anchor;
        let start = start.unwrap_or_else(|| self.0.clock.now());
        let record = node.record_mut();
        record.begin(span_context, parent.map(SpanContext::span_id), start);
        record.head.anchor = anchor;
        record.head.kind = traits.kind;
        record.head.key = traits.key;
        record.head.scope = traits.scope;
        record.head.parent_remote = parent.is_some_and(SpanContext::is_remote);
    }

    #[cold]
    fn tell_start(&self, node: &mut Node, traits: &Traits) {
        let Some(span_context) = node.span_context else { return };
        let record = node.record_mut();
        let view = FinishedSpan::of(record, &[], &self.0.resource);
        let start = Start { span_context, kind: traits.kind, semantic_key: traits.key, attributes: &view };
        for listener in &self.0.listeners {
            self.guarded(|| listener.start(&start));
        }
    }

    /// Seals a span and shows it to listeners and sink.
    #[inline]
    pub(crate) fn finish(&self, record: &mut Record, end: SpanEnd, tracestate: &[u8]) {
        record.head.end = self.0.clock.now();
        record.head.outcome = end;
        if matches!(end, SpanEnd::Cancelled | SpanEnd::Panicked) {
            note_outcome(record, end);
        }
        record.seal(tracestate.len());
        if self.0.listens {
            self.tell_end(record);
        }
        if record.head.span_context.is_sampled() {
            let view = FinishedSpan::of(record, tracestate, &self.0.resource);
            self.guarded(|| self.0.sink.on_end(&view));
        }
    }

    #[cold]
    fn tell_end(&self, record: &Record) {
        let view = FinishedSpan::of(record, &[], &self.0.resource);
        let end = End {
            span_context: view.span_context(),
            kind: view.kind(),
            semantic_key: record.head.key,
            end: view.end(),
            duration: view.duration(),
            attributes: &view,
        };
        for listener in self.0.listeners.iter().rev() {
            self.guarded(|| listener.end(&end));
        }
    }

    /// Calls other people's code; the application does not notice if that panics.
    #[inline]
    pub(crate) fn guarded<R>(&self, hook: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(hook)) {
            Ok(result) => Some(result),
            Err(_) => {
                count(&self.0.counters.hook_panics);
                None
            }
        }
    }
}

/// A span of another library that has become current below ours is the newer one.
#[cold]
fn descend_foreign(node: &mut Node, current: Option<SpanContext>) {
    if let Some(foreign) = current.filter(|span| span.span_id().to_u64() != node.foreign) {
        if node.span_context.is_none_or(|ours| ours.trace_id() != foreign.trace_id()) {
            node.drop_tracestate();
        }
        node.foreign = foreign.span_id().to_u64();
        node.span_context = Some(foreign);
        node.sampling = SamplingState::of_flag(foreign.is_sampled());
    }
}

/// What every span says that was cancelled or panicked; a panic is always an error.
#[cold]
fn note_outcome(record: &mut Record, end: SpanEnd) {
    if end == SpanEnd::Panicked && record.head.status != StatusCode::Error {
        let mut span = Recording(record);
        span.set_error(Value::Static(&"panic"));
    }
    record.push(OUTCOME, Value::Static(if end == SpanEnd::Panicked { &"panicked" } else { &"cancelled" }));
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("resource", &self.0.resource)
            .field("sampler", &self.0.sampler)
            .field("propagator", &self.0.propagator)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

// === impl TracerBuilder ===

impl TracerBuilder {
    /// Who decides what is recorded; by default [`ParentBased`] over [`AlwaysOn`].
    pub fn sampler(mut self, sampler: impl Sampler) -> Self {
        self.inner.follows_parent = sampler.follows_parent();
        self.inner.sampler = Box::new(sampler);
        self
    }

    /// Where finished spans go; by default nowhere.
    pub fn sink(mut self, sink: impl SpanSink) -> Self {
        self.inner.sink = Arc::new(sink);
        self
    }

    /// Where ids come from; by default [`RandomIds`].
    pub fn ids(mut self, ids: impl IdGenerator) -> Self {
        self.inner.ids = Some(Box::new(ids));
        self
    }

    /// Where the time comes from; by default the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.inner.clock = clock;
        self
    }

    /// What one span may hold.
    pub fn limits(mut self, limits: SpanLimits) -> Self {
        self.inner.limits = limits;
        self
    }

    /// The service.
    pub fn resource(mut self, resource: Resource) -> Self {
        self.inner.resource = resource;
        self
    }

    /// The formats that are read and written; by default W3C trace context and W3C baggage.
    pub fn propagator(mut self, propagator: Composite) -> Self {
        self.inner.propagator = propagator;
        self
    }

    /// One more listener. They are told of starts in this order and of ends in the reverse order.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.inner.listeners.push(Box::new(listener));
        self.inner.listens = true;
        self
    }

    /// Whether instrumentations make spans; by default yes. Switched off, contexts are propagated all the same.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.inner.enabled = enabled;
        self
    }

    /// The tracer.
    #[must_use]
    pub fn build(self) -> Tracer {
        Tracer(Arc::new(self.inner))
    }
}

impl fmt::Debug for TracerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracerBuilder").field("resource", &self.inner.resource).finish_non_exhaustive()
    }
}

// === impl SpanBuilder ===

impl<'a> SpanBuilder<'a> {
    /// The kind; by default internal.
    #[inline]
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.traits.kind = kind;
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

    /// Attributes that the sampler may look at.
    #[inline]
    pub fn attributes(mut self, attributes: &'a [(Key<'a>, Value<'a>)]) -> Self {
        self.attributes = attributes;
        self
    }

    /// When the work began, if that was before now.
    pub fn start_time(mut self, start: Instant) -> Self {
        self.start = Some(start);
        self
    }

    /// What the span is about, for the suppression of nested ones.
    pub fn semantic_key(mut self, key: SemanticKey) -> Self {
        self.traits.key = Some(key);
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
        let mut manual = Manual { name: self.name, traits: self.traits, attributes: self.attributes, fill: Some(fill) };
        self.tracer.start(self.parent, &mut manual, self.start)
    }
}

/// The draft of a [`SpanBuilder`].
struct Manual<'a, F> {
    name: SpanName<'a>,
    traits: Traits,
    attributes: &'a [(Key<'a>, Value<'a>)],
    fill: Option<F>,
}

impl<F: FnOnce(&mut Recording<'_>)> Draft for Manual<'_, F> {
    #[inline]
    fn traits(&self) -> Traits {
        self.traits
    }

    #[inline]
    fn name(&self) -> SpanName<'_> {
        self.name
    }

    fn show(&self, visitor: &mut dyn AttributeVisitor) {
        self.attributes.visit(visitor);
    }

    #[inline]
    fn write(&mut self, span: &mut Recording<'_>) {
        for (key, value) in self.attributes {
            span.push(*key, *value);
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

/// Tells the core how to find the current span of another library, OpenTelemetry's, so that a span which that library
/// started below one of ours becomes the parent of our next one. One per process, for a bridge.
///
/// # Errors
///
/// There is one already.
#[expect(clippy::result_unit_err, reason = "there is nothing to say but that it was not done")]
pub fn register_foreign_spans(current: fn() -> Option<SpanContext>) -> Result<(), ()> {
    FOREIGN.set(current).map_err(|_| ())
}

/// Without a bridge it costs one load per span.
static FOREIGN: OnceLock<fn() -> Option<SpanContext>> = OnceLock::new();

static GLOBAL: OnceLock<Tracer> = OnceLock::new();

static APPLICATION: Scope = Scope { name: "throughline", version: env!("CARGO_PKG_VERSION") };

const OUTCOME: Key<'static> = Key::new("throughline.outcome");

const _: () = {
    const fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<Tracer>();
    send_and_sync::<Context>();
    send_and_sync::<Span>();
    send_and_sync::<crate::SpanRef>();
    let _ = ERROR_TYPE;
};
