//! A span as processors see it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::attribute::{Key, Value};
use crate::context::Extras;
use crate::context::node::Node;
use crate::record::Record;
use crate::{Baggage, FinishedSpan, Recording, SpanBuffer, SpanContext, SpanKind, SpanName, TraceState, Tracer};

/// A span that has just started, lent to [`SpanProcessor::on_start`](super::SpanProcessor::on_start).
pub struct StartingSpan<'a> {
    pub(super) record: &'a mut Record,
    pub(super) tracer: &'a Tracer,
    pub(super) extras: Option<&'a Extras>,
    pub(super) local_root: Option<SpanContext>,
}

/// A span that has ended and may still be written to, lent to [`SpanProcessor::on_end`](super::SpanProcessor::on_end).
pub struct EndingSpan<'a> {
    pub(super) record: &'a mut Record,
    pub(super) tracer: &'a Tracer,
    pub(super) tracestate: &'a [u8],
    pub(super) local_root: Option<SpanContext>,
}

// === impl StartingSpan ===

impl StartingSpan<'_> {
    /// The span's own identity.
    #[must_use]
    pub fn span_context(&self) -> SpanContext {
        self.view().span_context()
    }

    /// The name that it started with.
    #[must_use]
    pub fn name(&self) -> SpanName<'_> {
        self.view().name()
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        self.record.head.sort.kind
    }

    /// The value of an attribute that was set; a text comes as [`Value::Bytes`] unless it was known at compile time.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<Value<'_>> {
        self.view().attribute(key)
    }

    /// Whether the span will be handed to the sink, unless a processor drops it.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.record.head.flags.is_sampled()
    }

    /// Whether the span's parent is remote, or it has none.
    #[must_use]
    pub fn is_local_root(&self) -> bool {
        is_local_root(self.record)
    }

    /// The first span of the trace in this process, which may be this one; nothing if that is not recorded, or another
    /// library's.
    #[must_use]
    pub fn local_root(&self) -> Option<SpanContext> {
        self.local_root
    }

    /// Whether there may be baggage; does not parse it.
    #[must_use]
    pub fn has_baggage(&self) -> bool {
        self.extras.is_some_and(|extras| !extras.baggage.is_empty())
    }

    /// The baggage that the span has from its parent; it is parsed if nobody asked for it before.
    #[must_use]
    pub fn baggage(&self) -> Baggage {
        self.extras.map(|extras| extras.baggage.get()).unwrap_or_default()
    }

    /// Lets `write` at the span.
    pub fn record<R>(&mut self, write: impl FnOnce(&mut Recording<'_>) -> R) -> R {
        write(&mut Recording(self.record))
    }

    /// Sets an attribute; one with the same key is replaced.
    pub fn set<'k, 'v>(&mut self, key: impl Into<Key<'k>>, value: impl Into<Value<'v>>) {
        Recording(self.record).set(key, value);
    }

    fn view(&self) -> FinishedSpan<'_> {
        FinishedSpan::of(self.record, &[], self.tracer.resource())
    }
}

impl fmt::Debug for StartingSpan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartingSpan")
            .field("span_context", &self.span_context())
            .field("name", &self.name())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

// === impl EndingSpan ===

impl EndingSpan<'_> {
    /// The span as it is now, whole: what the sink would get.
    #[must_use]
    pub fn view(&self) -> FinishedSpan<'_> {
        FinishedSpan::of(self.record, self.tracestate, self.tracer.resource())
    }

    /// Lets `write` at the span.
    ///
    /// [`SpanLimits`](crate::SpanLimits) hold as they do elsewhere; a value that is rewritten and has no room is removed.
    pub fn record<R>(&mut self, write: impl FnOnce(&mut Recording<'_>) -> R) -> R {
        // On panic, too: another processor may copy the span.
        let sealed = Sealed { record: self.record, tracestate: self.tracestate.len() };
        write(&mut Recording(sealed.record))
    }

    /// Sets an attribute; one with the same key is replaced.
    pub fn set<'k, 'v>(&mut self, key: impl Into<Key<'k>>, value: impl Into<Value<'v>>) {
        self.record(|span| span.set(key, value));
    }

    /// Removes an attribute; whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        self.record(|span| span.remove(key))
    }

    /// Whether the sampler wants the span handed to the sink.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.record.head.flags.is_sampled()
    }

    /// Whether the span's parent is remote, or it has none.
    #[must_use]
    pub fn is_local_root(&self) -> bool {
        is_local_root(self.record)
    }

    /// The first span of the trace in this process, which may be this one, and may have ended; nothing if that is not
    /// recorded, or another library's.
    #[must_use]
    pub fn local_root(&self) -> Option<SpanContext> {
        self.local_root
    }

    /// The vendors' entries that the span carries. They are checked here, by the call.
    #[must_use]
    pub fn tracestate(&self) -> Option<TraceState> {
        self.view().tracestate()
    }

    pub(super) fn ended_at(&self) -> Instant {
        self.record.head.end
    }

    /// Hands spans that ended earlier to the sink, as they lie in the buffer: no processor sees them again. Hold no lock
    /// meanwhile.
    pub fn emit(&self, spans: &SpanBuffer) {
        for span in spans.spans(self.tracer.resource()) {
            self.tracer.guarded(|| self.tracer.inner().sink().on_end(&span));
        }
    }
}

impl fmt::Debug for EndingSpan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndingSpan").field(&self.view()).finish()
    }
}

/// Counts again what a span has when its writer is done.
struct Sealed<'a> {
    record: &'a mut Record,
    tracestate: usize,
}

impl Drop for Sealed<'_> {
    fn drop(&mut self) {
        self.record.seal(self.tracestate);
    }
}

fn is_local_root(record: &Record) -> bool {
    record.head.parent.is_none() || record.head.parent_remote
}

/// The local root's identity, by the node that a span has of it; one that is a local root itself has none.
pub(super) fn local_root(record: &Record, node: Option<&Arc<Node>>) -> Option<SpanContext> {
    if is_local_root(record) {
        return Some(SpanContext::new(record.head.trace_id, record.head.span_id, record.head.flags));
    }
    node.and_then(|node| node.span_context)
}
