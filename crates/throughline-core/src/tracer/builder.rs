//! How a tracer is set up.

use std::fmt;
use std::sync::Arc;

use super::{Inner, Tracer};
use crate::listener::Listener;
use crate::processor::{Processors, SpanProcessor};
use crate::propagation::Composite;
use crate::random::IdGenerator;
use crate::stats::Counters;
use crate::{AlwaysOn, Clock, NoSink, ParentBased, Resource, Sampler, SpanLimits, SpanSink};

/// Sets up a [`Tracer`]; made by [`Tracer::builder`].
#[must_use]
pub struct TracerBuilder {
    inner: Inner,
}

impl TracerBuilder {
    pub(super) fn new() -> Self {
        Self {
            inner: Inner {
                sampler: Box::new(ParentBased::<AlwaysOn>::default()),
                follows_parent: true,
                sink: Box::new(NoSink),
                ids: None,
                clock: Clock::system(),
                limits: SpanLimits::DEFAULT,
                resource: Resource::default(),
                propagator: Composite::w3c(),
                listeners: Vec::new(),
                listens: false,
                processors: Processors::new(),
                watched: false,
                enabled: true,
                counters: Counters::default(),
            },
        }
    }

    /// Who decides what is recorded; by default [`ParentBased`] over [`AlwaysOn`].
    pub fn sampler(mut self, sampler: impl Sampler) -> Self {
        self.inner.follows_parent = sampler.follows_parent();
        self.inner.sampler = Box::new(sampler);
        self
    }

    /// Where finished spans go; by default nowhere.
    pub fn sink(mut self, sink: impl SpanSink) -> Self {
        self.inner.sink = Box::new(sink);
        self
    }

    /// Where ids come from; by default [`RandomIds`](crate::RandomIds).
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
        self.inner.watched = true;
        self
    }

    /// One more processor, which sees every recorded span at its start and at its end. They are called in this order;
    /// [`processor`](crate::processor) says the rest.
    pub fn processor(mut self, processor: impl SpanProcessor) -> Self {
        self.inner.processors.add(processor);
        self.inner.watched = true;
        self
    }

    /// After how many panics of its hooks a processor is not called again; by default 10, and at least 1.
    pub fn max_hook_panics(mut self, max: u32) -> Self {
        self.inner.processors.set_max_panics(max);
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
