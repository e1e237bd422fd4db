//! What a carrier said.

use std::borrow::Cow;

use crate::context::node::{self, Node};
use crate::span_context::trim_blanks;
use crate::{Context, SamplingState, SpanContext, TraceId};

/// What a [`Propagator`](super::Propagator) read, borrowed from the carrier where it can be.
///
/// Nothing is copied until a span or a context is made of it.
#[derive(Clone, Debug, Default)]
pub struct Extracted<'a> {
    pub(crate) span_context: Option<SpanContext>,
    pub(crate) sampling: SamplingState,
    pub(crate) tracestate: Cow<'a, [u8]>,
    pub(crate) baggage: Cow<'a, [u8]>,
    /// The id of a trace that has no span yet.
    pub(crate) trace_id: Option<TraceId>,
    /// Whether the contexts of a trace share their baggage even where there is none yet.
    pub(crate) shares_baggage: bool,
    pub(crate) malformed: bool,
    pub(crate) oversized: bool,
}

impl<'a> Extracted<'a> {
    /// Nothing was found: what an edge that believes nobody goes on with.
    pub const NOTHING: Self = Self {
        span_context: None,
        sampling: SamplingState::Defer,
        tracestate: Cow::Borrowed(&[]),
        baggage: Cow::Borrowed(&[]),
        trace_id: None,
        shares_baggage: false,
        malformed: false,
        oversized: false,
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

    /// The id for a trace that begins here: a balancer has chosen it and made no span.
    #[must_use]
    pub fn with_trace_id(mut self, trace_id: TraceId) -> Self {
        self.trace_id = Some(trace_id);
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

    /// The id that a trace is to have that begins here.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.trace_id
    }

    /// Whether something was malformed.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// Whether there was more than the limits allow; what exceeds them was not read.
    #[must_use]
    pub fn is_oversized(&self) -> bool {
        self.oversized
    }

    /// Whether nothing was found that a context would carry.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.has_trace() && self.baggage.is_empty()
    }

    /// Whether a parent, a word on sampling or the id of a trace was found.
    #[inline]
    pub(crate) fn has_trace(&self) -> bool {
        self.span_context.is_some() || self.sampling != SamplingState::Defer || self.trace_id.is_some()
    }

    /// A context below the remote parent; the ambient one where nothing was found. No span is made.
    #[inline]
    #[must_use]
    pub fn to_context(&self, ambient: &Context) -> Context {
        let shares = self.shares_baggage && ambient.is_root();
        if !self.has_trace() && !shares {
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
            if self.shares_baggage {
                inner.share_baggage();
            }
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
        self.oversized = true;
    }

    /// A parent was found. What vendors said of the same trace, in another format, is still about it.
    #[inline]
    pub(super) fn find_parent(&mut self, parent: SpanContext, sampling: SamplingState) {
        if self.span_context.is_none_or(|known| known.trace_id() != parent.trace_id()) {
            self.tracestate = Cow::Borrowed(&[]);
        }
        self.span_context = Some(parent.with_remote(true));
        self.sampling = sampling;
    }

    /// A word on sampling was found without ids: it is about the trace whose ids another format has found, if any.
    pub(super) fn find_sampling(&mut self, sampling: SamplingState) {
        if sampling == SamplingState::Defer {
            return;
        }
        self.sampling = sampling;
        self.span_context = self.span_context.map(|parent| {
            let flags = parent.flags().with_sampled(sampling.is_sampled());
            SpanContext::new(parent.trace_id(), parent.span_id(), flags).with_remote(true)
        });
    }

    /// The id of a trace was found that has no span yet; a parent of another format says more.
    #[cold]
    pub(super) fn find_trace_id(&mut self, trace_id: TraceId, sampling: SamplingState) {
        if self.span_context.is_none() {
            self.trace_id = Some(trace_id);
            self.find_sampling(sampling);
        }
    }

    /// Keeps the baggage of these keys, which are never encoded: values are not looked at.
    #[cold]
    pub(super) fn keep_baggage(&mut self, keys: &[Box<str>]) {
        let is_kept = |member: &&[u8]| {
            let key = member.split(|byte| *byte == b'=').next().map(trim_blanks).unwrap_or_default();
            keys.iter().any(|known| known.as_bytes() == key)
        };
        let kept: Vec<&[u8]> = self.baggage.split(|byte| *byte == b',').filter(is_kept).collect();
        self.baggage = Cow::Owned(kept.join(&b','));
    }

    /// What a later propagator found replaces what an earlier one did; one that found nothing changes nothing.
    pub(super) fn merge(&mut self, later: Self, trace: bool, baggage: bool) {
        if trace {
            match later.span_context {
                Some(parent) => {
                    self.find_parent(parent, later.sampling);
                    if !later.tracestate.is_empty() {
                        self.tracestate = later.tracestate;
                    }
                }
                None => self.find_sampling(later.sampling),
            }
            self.trace_id = later.trace_id.or(self.trace_id);
        }
        if baggage && !later.baggage.is_empty() {
            self.baggage = later.baggage;
        }
        self.malformed |= later.malformed;
        self.oversized |= later.oversized;
    }
}
