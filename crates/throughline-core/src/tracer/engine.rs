//! The start and the end of every span.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::Tracer;
use crate::attribute::{AttributeVisitor, Key, Value};
use crate::context::node::{self, Node};
use crate::listener::{End, Start};
use crate::propagation::Extracted;
use crate::random::{IdGenerator as _, RandomIds};
use crate::record::{Record, StatusCode};
use crate::{
    Context, FinishedSpan, Recording, SamplingDecision, SamplingInput, SamplingState, Scope, SemanticKey, Span,
    SpanContext, SpanEnd, SpanId, SpanKind, SpanName, TraceFlags, TraceId,
};

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

// === impl Tracer ===

impl Tracer {
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
            let parent = self.descend(unique, parent, traits.kind);
            if !self.0.enabled || unique.suppression.is_all() {
                // No span, but the context goes on as it is.
                return Span::new(node);
            }
            let span_context = self.identify(unique, parent.as_ref(), &traits, draft);
            if unique.recording {
                unique.is_local_root = parent.is_none_or(|parent| parent.is_remote());
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
    fn descend(&self, node: &mut Node, parent: Parent<'_>, kind: SpanKind) -> Option<SpanContext> {
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
        node.suppression = node.suppression.below(kind);
        if let Some(current) = FOREIGN.get().filter(|_| !explicit) {
            descend_foreign(node, current());
        }
        if !node.tracer.as_ref().is_some_and(|known| Arc::ptr_eq(&known.0, &self.0)) {
            node.tracer = Some(self.clone());
            self.prepare(node.record_mut());
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
        record.told = record.attributes.len();
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
        if end != SpanEnd::Completed {
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
            semantic_key: record.head.key,
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
    if let Some(foreign) = current.filter(|span| span.span_id().to_u64() != node.foreign) {
        if node.span_context.is_none_or(|ours| ours.trace_id() != foreign.trace_id()) {
            node.drop_tracestate();
            node.leave_local_root();
        }
        node.foreign = foreign.span_id().to_u64();
        node.span_context = Some(foreign);
        node.sampling = SamplingState::of_flag(foreign.is_sampled());
    }
}

/// What every span says that did not complete; failures and panics are errors, unless the application has said `Ok`.
#[cold]
fn note_outcome(record: &mut Record, end: SpanEnd) {
    let outcome: &'static &'static str = match end {
        SpanEnd::Completed => return,
        SpanEnd::Failed => {
            if record.head.status == StatusCode::Unset {
                record.head.status = StatusCode::Error;
            }
            return;
        }
        SpanEnd::Cancelled => &"cancelled",
        SpanEnd::Panicked => &"panicked",
    };
    if end == SpanEnd::Panicked && record.head.status != StatusCode::Error {
        Recording(record).set_error(Value::Static(&"panic"));
    }
    record.push(OUTCOME, Value::Static(outcome));
}

/// Without a bridge it costs one load per span.
static FOREIGN: OnceLock<fn() -> Option<SpanContext>> = OnceLock::new();

const OUTCOME: Key<'static> = Key::new("throughline.outcome");
