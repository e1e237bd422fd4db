//! What samplers see.

use std::fmt;
use std::time::Instant;

use crate::attribute::Attributes;
use crate::tracer::Draft;
use crate::{Clock, SamplingState, SpanContext, SpanKind, SpanName, TraceId, TraceState};

/// What a [`Sampler`](super::Sampler) may look at: a borrowed view of the span to be.
pub struct SamplingInput<'a> {
    pub(crate) parent: Option<&'a SpanContext>,
    pub(crate) state: SamplingState,
    pub(crate) trace_id: TraceId,
    pub(crate) random: bool,
    pub(crate) tracestate: &'a [u8],
    pub(crate) kind: SpanKind,
    pub(crate) clock: &'a Clock,
    pub(crate) draft: &'a dyn Draft,
    pub(crate) attributes: &'a dyn Attributes,
}

// === impl SamplingInput ===

impl SamplingInput<'_> {
    /// The span that the new one is a child of.
    #[must_use]
    pub fn parent(&self) -> Option<&SpanContext> {
        self.parent
    }

    /// What the parent said, with or without ids.
    #[must_use]
    pub fn state(&self) -> SamplingState {
        self.state
    }

    /// The trace that the span will belong to.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Whether whoever made the trace's id promises that its right-most seven bytes are random.
    #[must_use]
    pub fn has_random_trace_id(&self) -> bool {
        self.random
    }

    /// The time, by the tracer's clock. It is read here, by the call.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The vendors' entries that came with the parent. They are checked here, by the call.
    #[must_use]
    pub fn tracestate(&self) -> Option<TraceState> {
        if self.tracestate.is_empty() { None } else { TraceState::parse(self.tracestate).ok() }
    }

    /// The kind of the span to be.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        self.kind
    }

    /// The name of the span to be. It is made here, by the call.
    #[must_use]
    pub fn name(&self) -> SpanName<'_> {
        self.draft.name()
    }

    /// The attributes that are known now. They are visited, not collected: a look costs a pass over them.
    #[must_use]
    pub fn attributes(&self) -> &dyn Attributes {
        self.attributes
    }

    /// The text of one attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<String> {
        let mut found = None;
        self.attributes.visit(&mut |name: crate::Key<'_>, value: crate::Value<'_>| {
            if name.as_str() == key {
                found = Some(value.to_string());
            }
        });
        found
    }
}

impl fmt::Debug for SamplingInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamplingInput")
            .field("name", &self.name())
            .field("kind", &self.kind)
            .field("parent", &self.parent)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
