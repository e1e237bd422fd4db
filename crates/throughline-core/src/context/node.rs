//! What a context points to, and the pool that such nodes come from.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Extras;
use crate::clock::Anchor;
use crate::kind::Suppression;
use crate::propagation::Extracted;
use crate::record::Record;
use crate::sampling::Change;
use crate::stats::count;
use crate::{Context, Recording, SamplingState, SpanContext, TraceId, TraceState, Tracer};

/// The immutable part of a context, and the cell of its span if it has one of its own.
pub(crate) struct Node {
    pub(crate) span_context: Option<SpanContext>,
    pub(crate) extras: Option<Arc<Extras>>,
    /// Kept from span to span: taking a node whose last span had the same tracer costs no refcount.
    pub(crate) tracer: Option<Tracer>,
    /// The node that has the span's cell, if this one was derived from it by `with_*`.
    pub(crate) origin: Option<Arc<Node>>,
    /// The node of the local root's span, if that is recorded and another one than this.
    pub(crate) local_root: Option<Arc<Node>>,
    /// Buffers of an earlier use, for the next `extras`.
    pub(crate) spare: Option<Arc<Extras>>,
    pub(crate) state: State,
    /// Whether `record` is in use: the span is sampled, or somebody listens.
    pub(crate) recording: bool,
    /// Of a span that is recorded: its parent is remote, or it has none.
    pub(crate) is_local_root: bool,
    pub(crate) record: Mutex<Record>,
}

/// What a context hands to those below it by value, in two words.
#[derive(Clone, Copy)]
pub(crate) struct State {
    /// The id of the foreign span that was current when the node was made.
    pub(crate) foreign: u64,
    pub(crate) anchor: Anchor,
    pub(crate) suppression: Suppression,
    pub(crate) sampling: SamplingState,
}

/// The nodes that a thread keeps, the newest last.
struct Pool {
    len: Cell<usize>,
    nodes: [Cell<Option<Arc<Node>>>; POOLED],
}

// === impl Node ===

impl Node {
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn record_mut(&mut self) -> &mut Record {
        self.record.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `write` at the span, unless it has ended or is not recorded.
    pub(crate) fn write<R>(&self, write: impl FnOnce(&mut Recording<'_>) -> R) -> Option<R> {
        let owner = self.origin.as_deref().unwrap_or(self);
        if !owner.recording {
            return None;
        }
        let mut record = owner.lock();
        if record.open {
            return Some(write(&mut Recording(&mut record)));
        }
        drop(record);
        if let Some(tracer) = &owner.tracer {
            count(&tracer.inner().counters.late_writes);
        }
        None
    }

    /// The node of the local root's span, if that is recorded.
    #[inline]
    pub(crate) fn local_root(self: &Arc<Self>) -> Option<&Arc<Self>> {
        let owner = self.origin.as_ref().unwrap_or(self);
        owner.local_root.as_ref().or_else(|| (owner.recording && owner.is_local_root).then_some(owner))
    }

    /// The trace goes on below a span that is not of this process, or of nobody we know.
    #[cold]
    pub(crate) fn leave_local_root(&mut self) {
        self.local_root = None;
    }

    #[inline]
    pub(crate) fn tracestate(&self) -> Option<&TraceState> {
        self.extras.as_deref().and_then(|extras| extras.tracestate.get())
    }

    /// A node with the same content and no cell of its own.
    pub(crate) fn derive(self: &Arc<Self>) -> Self {
        let owner = self.origin.as_ref().unwrap_or(self);
        let origin = owner.recording.then(|| Arc::clone(owner));
        // Not like this one's: somebody who writes to the span, and makes a context meanwhile, has it locked.
        let mut record = Record::sealed();
        if let Some(tracer) = &self.tracer {
            tracer.prepare(&mut record);
        }
        Self {
            span_context: self.span_context,
            extras: self.extras.clone(),
            tracer: self.tracer.clone(),
            origin,
            local_root: self.local_root.clone(),
            spare: None,
            state: self.state,
            recording: false,
            is_local_root: false,
            record: Mutex::new(record),
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn fresh() -> Self {
        Self {
            span_context: None,
            extras: None,
            tracer: None,
            origin: None,
            local_root: None,
            spare: None,
            state: State::new(),
            recording: false,
            is_local_root: false,
            record: Mutex::new(Record::new()),
        }
    }

    /// Lets go of everything that the next use will not need. Buffers are kept unless they grew unusually large.
    #[inline(always)]
    pub(crate) fn recycle(&mut self) {
        if let Some(extras) = self.extras.take() {
            if Arc::strong_count(&extras) == 1 && extras.is_usual() {
                self.spare = Some(extras);
            }
        }
        if self.origin.is_some() {
            self.origin = None;
        }
        if self.local_root.is_some() {
            // The last child to end gives back what an ended root has left.
            drop(self.local_root.take().map(Context::of));
        }
        if self.recording {
            self.recording = false;
            self.record_mut().trim();
        }
    }

    /// Takes over what a context hands to those below it. The node is fresh or comes from the pool.
    #[inline(always)]
    pub(crate) fn inherit(&mut self, parent: &Context) {
        match parent.node() {
            Some(parent) => {
                self.span_context = parent.span_context;
                self.extras = parent.extras.clone();
                self.local_root = parent.local_root().cloned();
                self.state = parent.state;
            }
            None => {
                self.span_context = None;
                self.state = State::new();
            }
        }
    }

    /// Takes over what came over the wire, on top of what was inherited.
    #[inline(always)]
    pub(crate) fn adopt(&mut self, extracted: &Extracted<'_>, ambient: &Context) {
        if extracted.has_trace() {
            self.span_context = extracted.span_context;
            self.state.sampling = extracted.sampling;
            self.state.anchor = Anchor::latest();
            if self.local_root.is_some() {
                self.leave_local_root();
            }
        }
        if ambient.node().is_some_and(|node| node.extras.is_some()) {
            return self.adopt_extras(extracted);
        }
        // A tracestate is nothing without a parent.
        let tracestate = if extracted.span_context.is_some() { &*extracted.tracestate } else { &[] };
        if !tracestate.is_empty() || !extracted.baggage.is_empty() {
            self.receive(tracestate, &extracted.baggage);
        }
        if extracted.trace_id.is_some() {
            self.seed(extracted);
        }
    }

    /// Keeps the id that a trace is to have which begins below.
    #[cold]
    fn seed(&mut self, extracted: &Extracted<'_>) {
        if let Some(trace_id) = extracted.trace_id.filter(|_| extracted.span_context.is_none()) {
            self.change_extras(|extras| extras.set_value(Seed(trace_id)));
        }
    }

    /// The id for a trace that begins here, if somebody has chosen it.
    #[inline]
    pub(crate) fn seeded_trace_id(&self) -> Option<TraceId> {
        self.extras.as_deref()?.value::<Seed>().map(|seed| seed.0)
    }

    /// Makes sure that all of a local trace share their baggage.
    #[inline]
    pub(crate) fn share_baggage(&mut self) {
        if self.extras.is_none() {
            self.receive(&[], &[]);
        }
    }

    /// The ambient context carries something itself: what came replaces it part by part.
    #[cold]
    fn adopt_extras(&mut self, extracted: &Extracted<'_>) {
        let is_root = self.span_context.is_none();
        self.change_extras(|extras| {
            if extracted.span_context.is_some() {
                extras.tracestate.fill(&extracted.tracestate);
            } else if is_root {
                extras.tracestate.set(None);
            }
            if !extracted.baggage.is_empty() {
                extras.baggage.fill(&extracted.baggage);
            }
        });
        self.seed(extracted);
    }

    /// What a sampler has decided is told to those further down.
    #[cold]
    pub(crate) fn change_tracestate(&mut self, change: Change) {
        let Some(changed) = change.apply(self.tracestate()) else { return };
        match (&self.extras, &changed) {
            (None, Some(state)) => self.receive(state.as_str().as_bytes(), &[]),
            _ => self.change_extras(|extras| extras.tracestate.set(changed)),
        }
    }

    /// Another trace has begun: what vendors said of the old one is not about it.
    #[cold]
    pub(crate) fn drop_tracestate(&mut self) {
        if self.extras.is_some() {
            self.change_extras(|extras| extras.tracestate.set(None));
        }
    }

    /// Gives the node extras of its own, changed; none where nothing is left of them.
    pub(crate) fn change_extras(&mut self, change: impl FnOnce(&mut Extras)) {
        let mut extras = self.extras.take().map_or_else(Extras::default, |extras| extras.copy());
        change(&mut extras);
        self.extras = (!extras.is_empty()).then(|| Arc::new(extras));
    }

    /// Fills the extras with what came over the wire, in the buffers of an earlier use.
    #[inline(always)]
    pub(crate) fn receive(&mut self, tracestate: &[u8], baggage: &[u8]) {
        let mut spare = self.spare.take().unwrap_or_default();
        let Some(extras) = Arc::get_mut(&mut spare) else { return self.receive_anew(tracestate, baggage) };
        extras.fill(tracestate, baggage);
        self.extras = Some(spare);
    }

    #[cold]
    fn receive_anew(&mut self, tracestate: &[u8], baggage: &[u8]) {
        let mut extras = Extras::default();
        extras.fill(tracestate, baggage);
        self.extras = Some(Arc::new(extras));
    }
}

// === impl State ===

impl State {
    #[inline(always)]
    fn new() -> Self {
        Self { foreign: 0, anchor: Anchor::latest(), suppression: Suppression::NONE, sampling: SamplingState::Defer }
    }
}

// === impl Pool ===

impl Pool {
    #[inline(always)]
    fn pop(&self) -> Option<Arc<Node>> {
        let len = self.len.get().checked_sub(1)?;
        self.len.set(len);
        self.nodes.get(len)?.take()
    }

    #[inline(always)]
    fn push(&self, node: Arc<Node>) {
        let len = self.len.get();
        if let Some(place) = self.nodes.get(len) {
            self.len.set(len + 1);
            place.set(Some(node));
        }
    }
}

/// A node that nobody else holds.
#[inline(always)]
pub(crate) fn take() -> Arc<Node> {
    POOL.try_with(Pool::pop).ok().flatten().unwrap_or_else(|| Arc::new(Node::fresh()))
}

/// Keeps a node for the next use, if nobody else holds it.
pub(crate) fn put_back(mut node: Arc<Node>) {
    if let Some(unique) = Arc::get_mut(&mut node) {
        unique.recycle();
        // Not by `keep`, which would not be inlined then.
        let _ = POOL.try_with(|pool| pool.push(node));
    }
}

/// Keeps a node that was [recycled](Node::recycle).
#[inline(always)]
pub(crate) fn keep(node: Arc<Node>) {
    let _ = POOL.try_with(|pool| pool.push(node));
}

/// The id for a trace that begins below.
struct Seed(TraceId);

thread_local! {
    static POOL: Pool = const { Pool { len: Cell::new(0), nodes: [const { Cell::new(None) }; POOLED] } };
}

/// Nodes that a thread keeps.
const POOLED: usize = 64;
