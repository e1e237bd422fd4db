//! How metrics are made without core knowing any metrics crate.

use std::time::Duration;

use crate::attribute::Attributes;
use crate::{SemanticKey, SpanContext, SpanEnd, SpanKind};

/// Is told of every operation's start and end, recorded or not.
///
/// Both are called on the request's path and borrow everything: copy what is needed, do not block. The attributes of
/// [`start`](Self::start) are shown again at the [`end`](Self::end), as they were then and as they are. At the end the
/// listeners are called in reverse order, before [processors](crate::processor) and the sink see the span. A listener that panics is counted in
/// [`Stats::hook_panics`](crate::Stats::hook_panics).
pub trait Listener: Send + Sync + 'static {
    /// An operation started.
    fn start(&self, start: &Start<'_>);
    /// An operation ended; called exactly once for every start.
    fn end(&self, end: &End<'_>);
}

/// The start of an operation.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Start<'a> {
    /// The span's identity; sampled if the span is recorded, which is what exemplars ask for.
    pub span_context: SpanContext,
    /// The span's kind.
    pub kind: SpanKind,
    /// What the operation is about, if an instrumentation said so.
    pub semantic_key: Option<SemanticKey>,
    /// The attributes so far.
    pub attributes: &'a dyn Attributes,
}

/// The end of an operation.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct End<'a> {
    /// The span's identity.
    pub span_context: SpanContext,
    /// The span's kind.
    pub kind: SpanKind,
    /// What the operation is about, if an instrumentation said so.
    pub semantic_key: Option<SemanticKey>,
    /// How it ended.
    pub end: SpanEnd,
    /// How long it took, by the monotonic clock.
    pub duration: Duration,
    /// The attributes that [`Start::attributes`] showed, whatever the application did to them since: a gauge goes down
    /// where it went up.
    pub start_attributes: &'a dyn Attributes,
    /// All attributes, as they are now.
    pub attributes: &'a dyn Attributes,
}
