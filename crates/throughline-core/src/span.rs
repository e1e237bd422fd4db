//! Spans: the one owner that ends it, and the handles that write to it.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError};

use crate::attribute::{Key, Value};
use crate::context::Extras;
use crate::context::node::{self, Node};
use crate::record::Record;
use crate::stats::count;
use crate::{Context, Recording, SpanContext, SpanEnd, Status, Tracer};

/// The owner of a span: it alone ends it.
///
/// Not `Clone`. Everything else that knows the span, contexts and [`SpanRef`]s, neither keeps it open nor is needed for
/// its end. It is ended by [`end`](Self::end); one that is dropped ends as cancelled.
///
/// ```
/// use throughline_core::{SpanEnd, Tracer};
///
/// let tracer = Tracer::builder().build();
/// let span = tracer.span("rebuild index").start();
/// span.context().scope(|| { /* spans that are started here are its children */ });
/// span.set("index.documents", 41_u32);
/// span.end(SpanEnd::Completed);
/// ```
#[must_use = "a span that is dropped ends as cancelled"]
#[derive(Debug)]
pub struct Span {
    /// The root context once the span has ended.
    context: Context,
}

/// Writes to a span that somebody else owns.
///
/// Writes after the span's end are dropped and counted in [`Stats::late_writes`](crate::Stats::late_writes). On a
/// context without a recorded span every method does nothing.
#[derive(Clone, Default)]
pub struct SpanRef(Option<Arc<Node>>);

// === impl Span ===

impl Span {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { context: Context::of(node) }
    }

    /// No span: nothing is recorded, its context is the root, its end is nothing.
    pub const NONE: Self = Self { context: Context::ROOT };

    /// Whether this is no span.
    #[inline]
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.context.is_root()
    }

    /// The context to attach to the work that the span stands for.
    #[inline]
    #[must_use]
    pub fn context(&self) -> Context {
        self.context.clone()
    }

    /// The span's identity.
    #[inline]
    #[must_use]
    pub fn span_context(&self) -> Option<SpanContext> {
        self.context.span_context()
    }

    /// Whether what is written to the span is kept.
    #[inline]
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.context.node().is_some_and(|node| node.recording)
    }

    /// Lets `write` at the span, if it is recorded.
    pub fn record<R>(&self, write: impl FnOnce(&mut Recording<'_>) -> R) -> Option<R> {
        self.context.node()?.write(write)
    }

    /// Sets an attribute; one with the same key is replaced.
    pub fn set<'k, 'v>(&self, key: impl Into<Key<'k>>, value: impl Into<Value<'v>>) {
        self.record(|span| span.set(key, value));
    }

    /// A handle that can be cloned and kept.
    #[must_use]
    pub fn span_ref(&self) -> SpanRef {
        SpanRef::new(self.context.node().cloned())
    }

    /// Ends the span now.
    #[inline]
    pub fn end(self, end: SpanEnd) {
        self.close(end, None);
    }

    /// Ends the span now, with a last word of attributes and status. If that panics the span has ended all the same.
    #[inline]
    pub fn end_with(self, end: SpanEnd, last: impl FnOnce(&mut Recording<'_>)) {
        let mut last = Some(last);
        let mut speak = |span: &mut Recording<'_>| {
            if let Some(last) = last.take() {
                last(span);
            }
        };
        self.close(end, Some(&mut speak));
    }

    #[inline(always)]
    fn close(mut self, end: SpanEnd, last: Option<Last<'_>>) {
        let node = self.context.take_node();
        // Nothing is left to drop.
        mem::forget(self);
        if let Some(node) = node {
            close(node, end, last);
        }
    }
}

impl Drop for Span {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.is_none() {
            self.abandon();
        }
    }
}

impl Span {
    #[cold]
    fn abandon(&mut self) {
        let Some(node) = self.context.take_node() else { return };
        if let Some(tracer) = &node.tracer {
            count(&tracer.inner().counters.abandoned);
        }
        close(node, SpanEnd::Cancelled, None);
    }
}

/// What a span may say at its end.
type Last<'a> = &'a mut dyn FnMut(&mut Recording<'_>);

/// Seals the cell and lends it to the listeners and the sink. If nobody else holds the node there is no lock.
///
/// One copy for the whole program.
#[inline(never)]
fn close(mut node: Arc<Node>, end: SpanEnd, last: Option<Last<'_>>) {
    let Some(unique) = Arc::get_mut(&mut node) else { return close_shared(node, end, last) };
    if unique.recording {
        let Node { extras, tracer, local_root, record, .. } = unique;
        let record = record.get_mut().unwrap_or_else(PoisonError::into_inner);
        let around =
            Surroundings { tracer: tracer.as_ref(), extras: extras.as_deref(), local_root: local_root.as_ref() };
        finish(record, around, end, last);
    }
    unique.recycle();
    node::keep(node);
}

/// A clone of the context outlives the span. The cell is taken out of the lock first: listeners and sinks are other
/// people's code and may look at the context.
#[cold]
fn close_shared(node: Arc<Node>, end: SpanEnd, last: Option<Last<'_>>) {
    if node.recording {
        let mut record = {
            let mut cell = node.lock();
            let sealed = Record::sealed_like(&cell);
            mem::replace(&mut *cell, sealed)
        };
        let Node { extras, tracer, local_root, .. } = &*node;
        let around =
            Surroundings { tracer: tracer.as_ref(), extras: extras.as_deref(), local_root: local_root.as_ref() };
        finish(&mut record, around, end, last);
    }
    drop(Context::of(node));
}

/// What the node of an ending span has beside its record.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    tracer: Option<&'a Tracer>,
    extras: Option<&'a Extras>,
    local_root: Option<&'a Arc<Node>>,
}

/// The last word, then listeners, processors and sink; a last word that panics has ended the span all the same.
#[inline(always)]
fn finish(record: &mut Record, around: Surroundings<'_>, end: SpanEnd, last: Option<Last<'_>>) {
    let spoken = match last {
        Some(last) => record.beyond_limit(|record| catch_unwind(AssertUnwindSafe(|| last(&mut Recording(record))))),
        None => Ok(()),
    };
    if let Some(tracer) = around.tracer {
        let tracestate = around.extras.map_or(&[][..], |extras| &extras.tracestate.raw);
        tracer.finish(record, end, tracestate, around.local_root);
    }
    if let Err(panic) = spoken {
        resume_unwind(panic);
    }
}

// === impl SpanRef ===

impl SpanRef {
    pub(crate) fn new(node: Option<Arc<Node>>) -> Self {
        Self(node)
    }

    /// The span's identity.
    #[must_use]
    pub fn span_context(&self) -> Option<SpanContext> {
        self.0.as_ref().and_then(|node| node.span_context)
    }

    /// Whether what is written is kept: the span is recorded and has not ended.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(|node| {
            let owner = node.origin.as_deref().unwrap_or(node);
            owner.recording && owner.lock().open
        })
    }

    /// Lets `write` at the span, if it is recorded and has not ended.
    ///
    /// The span is locked meanwhile: `write` must not write to it through another handle.
    pub fn record<R>(&self, write: impl FnOnce(&mut Recording<'_>) -> R) -> Option<R> {
        self.0.as_ref()?.write(write)
    }

    /// Sets an attribute; one with the same key is replaced.
    pub fn set<'k, 'v>(&self, key: impl Into<Key<'k>>, value: impl Into<Value<'v>>) {
        self.record(|span| span.set(key, value));
    }

    /// Adds an event that happens now.
    pub fn event<'k>(&self, name: impl Into<Key<'k>>, attributes: &[(Key<'_>, Value<'_>)]) {
        self.record(|span| span.event(name, attributes));
    }

    /// Adds a link to another span.
    pub fn link(&self, to: SpanContext, attributes: &[(Key<'_>, Value<'_>)]) {
        self.record(|span| span.link(to, attributes));
    }

    /// Sets the status.
    pub fn set_status(&self, status: &Status) {
        self.record(|span| span.set_status(status));
    }

    /// Marks the span as failed and says with what: `error_type` must be of low cardinality.
    pub fn set_error<'v>(&self, error_type: impl Into<Value<'v>>) {
        self.record(|span| span.set_error(error_type));
    }
}

impl std::fmt::Debug for SpanRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SpanRef").field(&self.span_context()).finish()
    }
}
