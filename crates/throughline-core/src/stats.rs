//! What went wrong quietly, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::propagation;

/// What a [`Tracer`](crate::Tracer) counted since it was built.
///
/// Nothing here is logged per occurrence: malformed input must not flood a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests or messages whose trace fields were malformed, or repeated where one is allowed; they were ignored.
    pub malformed_parents: u64,
    /// Requests or messages with more tracestate or baggage than the limits allow; what exceeded them was not read.
    pub oversized_fields: u64,
    /// Members of tracestate that were not sent because the outbound budget had no room for them.
    pub tracestate_dropped: u64,
    /// Members of baggage that were not sent because a limit or the outbound budget had no room for them.
    pub baggage_dropped: u64,
    /// Spans that were not started because one of the same [`SemanticKey`](crate::SemanticKey) was in the context.
    pub suppressed: u64,
    /// Writes to spans that had ended; they were dropped.
    pub late_writes: u64,
    /// Spans that nobody ended: their owner was dropped, which ended them as cancelled.
    pub abandoned: u64,
    /// Samplers, processors, sinks, listeners, extractors and propagators that panicked; the application did not notice.
    pub hook_panics: u64,
    /// Baggage that was not sent because the host was not named in `baggage_to`.
    pub baggage_withheld: u64,
    /// Callers that asked for their trace to be recorded more often than an edge policy grants; the sampler decided.
    pub forced_sampling_limited: u64,
    /// Recorded spans that a processor dropped, or that an essential one could not look at.
    pub spans_dropped_by_processors: u64,
    /// Processors that are not called again because they panicked too often.
    pub processors_disabled: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) suppressed: AtomicU64,
    pub(crate) late_writes: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    pub(crate) hook_panics: AtomicU64,
    pub(crate) baggage_withheld: AtomicU64,
    pub(crate) forced_sampling_limited: AtomicU64,
    pub(crate) spans_dropped_by_processors: AtomicU64,
    pub(crate) processors_disabled: AtomicU64,
}

impl Counters {
    /// What is counted here, and by the tracer's propagator.
    pub(crate) fn read(&self, propagation: &propagation::Counters) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            malformed_parents: read(&propagation.malformed),
            oversized_fields: read(&propagation.oversized),
            tracestate_dropped: read(&propagation.tracestate_dropped),
            baggage_dropped: read(&propagation.baggage_dropped),
            suppressed: read(&self.suppressed),
            late_writes: read(&self.late_writes),
            abandoned: read(&self.abandoned),
            hook_panics: read(&self.hook_panics) + read(&propagation.panics),
            baggage_withheld: read(&self.baggage_withheld),
            forced_sampling_limited: read(&self.forced_sampling_limited),
            spans_dropped_by_processors: read(&self.spans_dropped_by_processors),
            processors_disabled: read(&self.processors_disabled),
        }
    }
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Counts so many.
pub(crate) fn add(counter: &AtomicU64, many: u64) {
    counter.fetch_add(many, Ordering::Relaxed);
}
