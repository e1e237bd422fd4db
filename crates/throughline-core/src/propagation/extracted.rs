//! What a carrier said.

use std::borrow::Cow;

use crate::context::node::{self, Node};
use crate::{Context, SamplingState, SpanContext};

/// What a [`Propagator`](super::Propagator) read, borrowed from the carrier where it can be.
///
/// Nothing is copied until a span or a context is made of it.
#[derive(Clone, Debug, Default)]
pub struct Extracted<'a> {
    pub(crate) span_context: Option<SpanContext>,
    pub(crate) sampling: SamplingState,
    pub(crate) tracestate: Cow<'a, [u8]>,
    pub(crate) baggage: Cow<'a, [u8]>,
    pub(crate) malformed: bool,
}

impl<'a> Extracted<'a> {
    /// Nothing was found: what an edge that believes nobody goes on with.
    pub const NOTHING: Self = Self {
        span_context: None,
        sampling: SamplingState::Defer,
        tracestate: Cow::Borrowed(&[]),
        baggage: Cow::Borrowed(&[]),
        malformed: false,
    };

    /// A remote parent and what it said about sampling.
    #[must_use]
    pub fn with_parent(mut self, parent: SpanContext, sampling: SamplingState) -> Self {
        self.span_context = Some(parent.with_remote(true));
        self.sampling = sampling;
        self
    }

    /// A word on sampling without ids.
    #[must_use]
    pub fn with_sampling(mut self, sampling: SamplingState) -> Self {
        self.sampling = sampling;
        self
    }

    /// Without what was said about sampling: the ids are believed, the decision is ours. Until somebody makes it, the
    /// *sampled* flag is not passed on.
    #[must_use]
    pub fn without_sampling(mut self) -> Self {
        self.span_context = self.span_context.map(|parent| {
            let flags = parent.flags().with_sampled(false);
            SpanContext::new(parent.trace_id(), parent.span_id(), flags).with_remote(true)
        });
        self.sampling = SamplingState::Defer;
        self
    }

    /// The vendors' entries as they came; they are checked when somebody looks at them.
    #[must_use]
    pub fn with_tracestate(mut self, text: impl Into<Cow<'a, [u8]>>) -> Self {
        self.tracestate = text.into();
        self
    }

    /// The application's pairs as they came; they are parsed when somebody looks at them.
    #[must_use]
    pub fn with_baggage(mut self, text: impl Into<Cow<'a, [u8]>>) -> Self {
        self.baggage = text.into();
        self
    }

    /// Marks that something was malformed and therefore ignored.
    #[must_use]
    pub fn with_malformed(mut self) -> Self {
        self.malformed = true;
        self
    }

    /// The remote parent.
    #[inline]
    #[must_use]
    pub fn span_context(&self) -> Option<SpanContext> {
        self.span_context
    }

    /// What was said about sampling, with or without ids.
    #[must_use]
    pub fn sampling_state(&self) -> SamplingState {
        self.sampling
    }

    /// Whether something was malformed.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// Whether nothing was found that a context would carry.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.span_context.is_none() && self.sampling == SamplingState::Defer && self.baggage.is_empty()
    }

    /// A context below the remote parent; the ambient one where nothing was found. No span is made.
    #[inline]
    #[must_use]
    pub fn to_context(&self, ambient: &Context) -> Context {
        if self.span_context.is_none() && self.sampling == SamplingState::Defer {
            return match self.baggage.is_empty() {
                true => ambient.clone(),
                false => ambient.with_received_baggage(&self.baggage),
            };
        }
        let mut node = node::take();
        loop {
            let Some(inner) = std::sync::Arc::get_mut(&mut node) else {
                node = std::sync::Arc::new(Node::fresh());
                continue;
            };
            inner.inherit(ambient);
            inner.adopt(self, ambient);
            if !(inner.tracer.is_none() && ambient.is_root()) {
                inner.tracer = ambient.tracer().cloned();
                if let Some(tracer) = ambient.tracer() {
                    // The cell may come from another tracer's span.
                    tracer.prepare(inner.record_mut());
                }
            }
            return Context::of(node);
        }
    }

    /// There was too much of it.
    #[cold]
    pub(super) fn lose_tracestate(&mut self) {
        self.tracestate = Cow::Borrowed(&[]);
        self.malformed = true;
    }

    /// What a later propagator found replaces what an earlier one did; one that found nothing changes nothing.
    pub(crate) fn merge(&mut self, later: Self) {
        if later.span_context.is_some() || later.sampling != SamplingState::Defer {
            self.span_context = later.span_context;
            self.sampling = later.sampling;
            self.tracestate = later.tracestate;
        }
        if !later.baggage.is_empty() {
            self.baggage = later.baggage;
        }
        self.malformed |= later.malformed;
    }
}
