//! The handle that everything which makes spans holds.

mod builder;
mod engine;
mod span_builder;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use crate::listener::Listener;
use crate::processor::Processors;
use crate::propagation::Composite;
use crate::random::IdGenerator;
use crate::record::Record;
use crate::stats::{Counters, Stats, count};
use crate::{Clock, Context, Resource, Sampler, Span, SpanLimits, SpanName, SpanSink};

pub use self::builder::TracerBuilder;
pub use self::engine::register_foreign_spans;
pub(crate) use self::engine::{Draft, Parent, Traits};
pub use self::span_builder::SpanBuilder;

/// Makes spans: sampler, processors, sink, ids, clock, limits, resource, propagator and listeners behind one `Arc`.
///
/// Every layer and instrumentation holds one; no process-global is needed. A clone is one refcount. A thread that made
/// spans keeps the tracer of the last ones alive until it ends: a sink that has to flush is told to, it does not wait for
/// its `Drop`.
///
/// ```
/// use throughline_core::{SpanEnd, Tracer};
///
/// let tracer = Tracer::builder().build();
/// let span = tracer.span("load user").start();
/// span.set("user.id", 42_u32);
/// span.end(SpanEnd::Completed);
/// ```
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

pub(crate) struct Inner {
    sampler: Box<dyn Sampler>,
    /// The sampler's own word: it is not asked where a parent has decided.
    follows_parent: bool,
    sink: Box<dyn SpanSink>,
    ids: Option<Box<dyn IdGenerator>>,
    clock: Clock,
    limits: SpanLimits,
    resource: Resource,
    propagator: Composite,
    listeners: Vec<Box<dyn Listener>>,
    listens: bool,
    processors: Processors,
    /// Whether there are listeners or processors.
    watched: bool,
    enabled: bool,
    pub(crate) counters: Counters,
}

// === impl Inner ===

impl Inner {
    pub(crate) fn sink(&self) -> &dyn SpanSink {
        &*self.sink
    }
}

// === impl Tracer ===

impl Tracer {
    /// A tracer that samples what its parents sampled, and every trace without a parent, and has no sink yet.
    pub fn builder() -> TracerBuilder {
        TracerBuilder::new()
    }

    /// A tracer that records nothing and propagates all the same: for libraries whose user has set up none.
    #[must_use]
    pub fn noop() -> &'static Self {
        static NOOP: OnceLock<Tracer> = OnceLock::new();
        NOOP.get_or_init(|| Self::builder().enabled(false).build())
    }

    /// The tracer that the process installed, else the one of [`noop`](Self::noop).
    #[must_use]
    pub fn global() -> &'static Self {
        GLOBAL.get().unwrap_or_else(Self::noop)
    }

    /// Makes this the process's tracer, for code that has neither a handle nor a context with one.
    ///
    /// # Errors
    ///
    /// There is one already; the tracer is given back.
    pub fn install_global(self) -> Result<(), Self> {
        GLOBAL.set(self)
    }

    /// The tracer of the current context, else the process's.
    #[must_use]
    pub fn current() -> Self {
        Context::peek(|context| context.tracer().cloned()).unwrap_or_else(|| Self::global().clone())
    }

    /// Sets up a span, by default an internal one below the current context.
    #[inline]
    pub fn span<'a>(&'a self, name: impl Into<SpanName<'a>>) -> SpanBuilder<'a> {
        SpanBuilder::new(self, name.into())
    }

    /// The formats that are read and written.
    #[inline]
    #[must_use]
    pub fn propagator(&self) -> &Composite {
        &self.0.propagator
    }

    /// The service.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// What one span may hold.
    #[must_use]
    pub fn limits(&self) -> &SpanLimits {
        &self.0.limits
    }

    /// Where the time comes from: instrumentations that wait or count by it can be tested with a clock that stands still.
    #[inline]
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Whether instrumentations make spans. A tracer that is switched off propagates all the same.
    #[inline]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.read(&self.0.propagator.counters)
    }

    /// Counts baggage that an egress policy withheld.
    #[doc(hidden)]
    pub fn count_baggage_withheld(&self) {
        count(&self.0.counters.baggage_withheld);
    }

    /// Counts a caller's wish to be recorded that an edge policy did not grant.
    #[doc(hidden)]
    pub fn count_forced_sampling_limited(&self) {
        count(&self.0.counters.forced_sampling_limited);
    }

    /// Makes a cell one for spans of this tracer.
    pub(crate) fn prepare(&self, record: &mut Record) {
        record.set_limits(self.0.limits);
        record.clock = self.0.clock.clone();
    }

    #[inline]
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Calls a hook: other people's code inside an instrumentation. The application does not notice if it panics; that is
    /// counted in [`Stats::hook_panics`].
    #[inline]
    pub fn guarded<R>(&self, hook: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(hook)) {
            Ok(result) => Some(result),
            Err(_) => {
                count(&self.0.counters.hook_panics);
                None
            }
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("resource", &self.0.resource)
            .field("sampler", &self.0.sampler)
            .field("propagator", &self.0.propagator)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

static GLOBAL: OnceLock<Tracer> = OnceLock::new();

const _: () = {
    const fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<Tracer>();
    send_and_sync::<Context>();
    send_and_sync::<Span>();
    send_and_sync::<crate::SpanRef>();
};
