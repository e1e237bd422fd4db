//! The start and the end of every span.

use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Instant;

use super::Tracer;
use crate::attribute::{AttributeVisitor, Key, Value};
use crate::context::node::{self, Node};
use crate::kind::Suppression;
use crate::listener::{End, Start};
use crate::propagation::Extracted;
use crate::random::{IdGenerator as _, RandomIds};
use crate::record::{RawName, Record, Sort, StatusCode};
use crate::{
    Context, DurableContext, FinishedSpan, Recording, SamplingDecision, SamplingInput, SamplingState, Scope,
    SemanticKey, Span, SpanContext, SpanEnd, SpanId, SpanKind, SpanName, TraceFlags, TraceId,
};

/// What a new span is, but for its name and attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    pub(crate) sort: Sort,
    pub(crate) scope: &'static Scope,
    /// When the work began, if that was before now.
    pub(crate) start: Option<Instant>,
    /// What the span leaves of the suppression above it, and what it adds.
    kept: Suppression,
    added: Suppression,
}

/// A span to be: asked for its name and attributes only if somebody wants them.
pub(crate) trait Draft {
    /// The name, for a sampler that looks at it.
    fn name(&self) -> SpanName<'_>;
    /// The attributes, for a sampler that looks at them.
    fn show(&self, visitor: &mut dyn AttributeVisitor);
    /// Name, attributes and links, for the record.
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
    /// Nothing, but with the baggage of a context that was stored.
    Stored(&'a DurableContext),
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

// === impl Traits ===

impl Traits {
    pub(crate) const fn new(sort: Sort, scope: &'static Scope) -> Self {
        let (kept, added) = (Suppression::kept_below(sort.kind), Suppression::NONE.with(sort.key));
        Self { sort, scope, start: None, kept, added }
    }

    #[inline]
    pub(crate) fn set_kind(&mut self, kind: SpanKind) {
        self.sort.kind = kind;
        self.kept = Suppression::kept_below(kind);
    }

    pub(crate) fn set_key(&mut self, key: SemanticKey) {
        self.sort.key = Some(key);
        self.added = Suppression::NONE.with(Some(key));
    }
}

// === impl Tracer ===

impl Tracer {
    /// Starts a span: parent → ids → sampler on a borrowed view → record, if sampled → share.
    ///
    /// One copy for the whole program, with all steps inlined: what differs comes through the draft.
    #[inline(never)]
    pub(crate) fn start(&self, parent: Parent<'_>, traits: &Traits, draft: &mut dyn Draft) -> Span {
        let mut node = node::take();
        let Some(unique) = Arc::get_mut(&mut node) else {
            // Nobody holds a node of the pool; if somebody did, this one would be theirs.
            return self.start(parent, traits, draft);
        };
        let explicit = Self::descend(unique, parent);
        if let Some(current) = FOREIGN.get().filter(|_| !explicit) {
            descend_foreign(unique, current());
        }
        self.claim(unique);
        if unique.state.suppression.is_all() || !self.0.enabled {
            // No span, but the context goes on as it is, and what may be updated elsewhere may be updated here.
            if self.0.propagator.has_baggage_fields() {
                unique.share_baggage();
            }
            return Span::new(node);
        }
        self.identify(unique, traits, draft);
        if unique.recording {
            let record = unique.record_mut();
            if self.guarded(|| draft.write(&mut Recording(record))).is_none() {
                self.write_again(record, draft);
            }
            if self.0.watched {
                self.show_start(unique, traits);
            }
        }
        Span::new(node)
    }

    /// Whoever was asked for the name, which comes first, may have panicked. Somebody who is asked only once has nothing to
    /// say the next time, and the rest of the span is told all the same.
    #[cold]
    fn write_again(&self, record: &mut Record, draft: &mut dyn Draft) {
        if record.attributes.is_empty() {
            // Until it is written it is that of the record's last span.
            record.head.name = RawName::NONE;
            self.guarded(|| draft.write(&mut Recording(record)));
        }
    }

    /// Fills the node with what it has from its parent; whether that was said by whoever starts the span.
    #[inline(always)]
    fn descend(node: &mut Node, parent: Parent<'_>) -> bool {
        match parent {
            Parent::Current => {
                Context::peek(|current| node.inherit(current));
                false
            }
            Parent::Context(context) => {
                node.inherit(context);
                true
            }
            Parent::Stored(stored) => {
                node.inherit(&Context::ROOT);
                node.receive(&[], &stored.extracted().baggage);
                true
            }
            Parent::Remote(extracted) => Context::peek(|current| {
                node.inherit(current);
                if !extracted.is_empty() {
                    node.adopt(extracted, current);
                }
                extracted.span_context.is_some()
            }),
        }
    }

    /// Makes a node one of this tracer's.
    #[inline(always)]
    fn claim(&self, node: &mut Node) {
        match &node.tracer {
            Some(known) if Arc::ptr_eq(&known.0, &self.0) => {}
            _ => self.claim_anew(node),
        }
    }

    #[cold]
    fn claim_anew(&self, node: &mut Node) {
        node.tracer = Some(self.clone());
        self.prepare(node.record_mut());
    }

    /// Gives the node ids and a sampling decision, and opens its record if there is to be one.
    #[inline(always)]
    fn identify(&self, node: &mut Node, traits: &Traits, draft: &dyn Draft) {
        let (trace_id, flags, parent, parent_remote, is_local_root) = match &node.span_context {
            Some(parent) => {
                let remote = parent.is_remote();
                (parent.trace_id(), parent.flags(), Some(parent.span_id()), remote, remote)
            }
            None => {
                let (trace_id, flags) = self.new_trace(node.seeded_trace_id());
                (trace_id, flags, None, false, true)
            }
        };
        let said = node.state.sampling;
        let decision = if self.0.follows_parent && said != SamplingState::Defer {
            SamplingDecision::of(said.is_sampled())
        } else {
            let decision = self.ask_sampler(node, (trace_id, flags.is_random()), traits, draft);
            if let Some(change) = decision.change() {
                node.change_tracestate(change);
            }
            node.state.sampling = match (decision.is_sampled(), said) {
                (false, _) => SamplingState::Deny,
                (true, SamplingState::Debug) => SamplingState::Debug,
                (true, _) => SamplingState::Accept,
            };
            decision
        };
        if is_local_root && self.0.propagator.has_baggage_fields() {
            node.share_baggage();
        }
        let span_context = SpanContext::new(trace_id, self.span_id(), flags.with_sampled(decision.is_sampled()));
        node.span_context = Some(span_context);
        node.state.suppression = node.state.suppression.below(traits.kept, traits.added);
        node.recording = decision.is_recorded() || self.0.listens;
        if node.recording {
            node.is_local_root = is_local_root;
            let anchor = node.state.anchor;
            let start = traits.start.unwrap_or_else(|| self.0.clock.now());
            let record = node.record_mut();
            record.begin(span_context, parent, start);
            record.head.anchor = anchor;
            record.head.sort = traits.sort;
            record.head.scope = traits.scope;
            record.head.parent_remote = parent_remote;
            record.wanted = decision.is_recorded();
        }
    }

    #[inline]
    fn new_trace(&self, seeded: Option<TraceId>) -> (TraceId, TraceFlags) {
        if let Some(trace_id) = seeded {
            // Whether it is random only its maker knows.
            return (trace_id, TraceFlags::NONE);
        }
        match &self.0.ids {
            None => (RandomIds.trace_id(), TraceFlags::RANDOM),
            Some(ids) if ids.is_random() => (ids.trace_id(), TraceFlags::RANDOM),
            Some(ids) => (ids.trace_id(), TraceFlags::NONE),
        }
    }

    /// Before the node has ids of its own.
    fn ask_sampler(
        &self,
        node: &Node,
        (trace_id, random): (TraceId, bool),
        traits: &Traits,
        draft: &dyn Draft,
    ) -> SamplingDecision {
        let visit = |visitor: &mut dyn AttributeVisitor| draft.show(visitor);
        let decide = || {
            self.0.sampler.sample(&SamplingInput {
                parent: node.span_context.as_ref(),
                state: node.state.sampling,
                trace_id,
                random,
                tracestate: node.extras.as_deref().map_or(&[], |extras| &extras.tracestate.raw),
                kind: traits.sort.kind,
                clock: &self.0.clock,
                draft,
                attributes: &visit,
            })
        };
        self.guarded(decide).unwrap_or(SamplingDecision::DROP)
    }

    #[inline(always)]
    fn span_id(&self) -> SpanId {
        match &self.0.ids {
            None => RandomIds.span_id(),
            Some(ids) => ids.span_id(),
        }
    }

    /// Shows a span that starts to listeners and processors.
    #[inline(always)]
    fn show_start(&self, node: &mut Node, traits: &Traits) {
        if self.0.listens {
            self.tell_start(node, traits);
        }
        if !self.0.processors.is_empty() {
            self.process_start(node);
        }
    }

    #[cold]
    fn process_start(&self, node: &mut Node) {
        let Node { extras, local_root, record, .. } = node;
        let record = record.get_mut().unwrap_or_else(PoisonError::into_inner);
        if record.wanted {
            self.0.processors.start(self, record, extras.as_deref(), local_root.as_ref());
        }
    }

    #[cold]
    fn tell_start(&self, node: &mut Node, traits: &Traits) {
        let Some(span_context) = node.span_context else { return };
        let record = node.record_mut();
        record.note_told();
        let view = FinishedSpan::of(record, &[], &self.0.resource);
        let start = Start { span_context, kind: traits.sort.kind, semantic_key: traits.sort.key, attributes: &view };
        for listener in &self.0.listeners {
            self.guarded(|| listener.start(&start));
        }
    }

    /// Seals a span and shows it to listeners, processors and sink.
    #[inline(always)]
    pub(crate) fn finish(&self, record: &mut Record, end: SpanEnd, tracestate: &[u8], local_root: Option<&Arc<Node>>) {
        record.head.end = self.0.clock.now();
        record.head.outcome = end;
        if end != SpanEnd::Completed {
            note_outcome(record, end);
        }
        record.seal(tracestate.len());
        let exported =
            if self.0.watched { self.show_end(record, tracestate, local_root) } else { record.head.flags.is_sampled() };
        if exported {
            let view = FinishedSpan::of(record, tracestate, &self.0.resource);
            self.guarded(|| self.0.sink.on_end(&view));
        }
    }

    /// Shows a span that has ended to listeners and processors; whether the sink gets it.
    #[inline(always)]
    fn show_end(&self, record: &mut Record, tracestate: &[u8], local_root: Option<&Arc<Node>>) -> bool {
        if self.0.listens {
            self.tell_end(record);
        }
        if self.0.processors.is_empty() {
            return record.head.flags.is_sampled();
        }
        record.wanted && self.0.processors.end(self, record, tracestate, local_root)
    }

    #[cold]
    fn tell_end(&self, record: &mut Record) {
        let at_start = |visitor: &mut dyn AttributeVisitor| {
            for attribute in record.told() {
                let (key, value) = attribute.decode(&record.text);
                visitor.attribute(key, value);
            }
        };
        let view = FinishedSpan::of(record, &[], &self.0.resource);
        let end = End {
            span_context: view.span_context(),
            kind: view.kind(),
            semantic_key: record.head.sort.key,
            end: view.end(),
            duration: view.duration(),
            start_attributes: &at_start,
            attributes: &view,
        };
        for listener in self.0.listeners.iter().rev() {
            self.guarded(|| listener.end(&end));
        }
        record.forget_told();
    }
}

/// A span of another library that has become current below ours is the newer one.
#[cold]
fn descend_foreign(node: &mut Node, current: Option<SpanContext>) {
    if let Some(foreign) = current.filter(|span| span.span_id().to_u64() != node.state.foreign) {
        if node.span_context.is_none_or(|ours| ours.trace_id() != foreign.trace_id()) {
            node.drop_tracestate();
            node.leave_local_root();
        }
        node.state.foreign = foreign.span_id().to_u64();
        node.span_context = Some(foreign);
        node.state.sampling = SamplingState::of_flag(foreign.is_sampled());
    }
}

/// What every span says that did not complete; failures and panics are errors, unless the application has said `Ok`.
#[cold]
fn note_outcome(record: &mut Record, end: SpanEnd) {
    let outcome: &'static &'static str = match end {
        SpanEnd::Completed => return,
        SpanEnd::Failed => {
            if record.head.tally.status == StatusCode::Unset {
                record.head.tally.status = StatusCode::Error;
            }
            return;
        }
        SpanEnd::Cancelled => &"cancelled",
        SpanEnd::Panicked => &"panicked",
    };
    record.beyond_limit(|record| {
        if end == SpanEnd::Panicked && record.head.tally.status != StatusCode::Error {
            Recording(record).set_error(Value::Static(&"panic"));
        }
        record.push(OUTCOME, Value::Static(outcome));
    });
}

/// Without a bridge it costs one load per span.
static FOREIGN: OnceLock<fn() -> Option<SpanContext>> = OnceLock::new();

const OUTCOME: Key<'static> = Key::new("throughline.outcome");
