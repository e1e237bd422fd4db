//! Ids that a test can name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use throughline_core::{IdGenerator, SpanId, TraceId};

/// Counts: the first trace is `0…01`, the first span `0…01`, the second one `0…02`.
///
/// Clones count on together: give one to every tracer of a test, or the spans of two tracers get the same ids.
///
/// ```
/// use throughline_testing::{SequentialIds, tracer_with};
///
/// let (tracer, _) = tracer_with(|builder| builder.ids(SequentialIds::new()));
/// let span = tracer.span("rebuild index").start().span_context().unwrap();
/// assert_eq!(span.trace_id().to_string(), "00000000000000000000000000000001");
/// assert_eq!(span.span_id().to_string(), "0000000000000001");
/// ```
#[derive(Clone, Debug, Default)]
pub struct SequentialIds(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    traces: AtomicU64,
    spans: AtomicU64,
}

impl SequentialIds {
    /// Begins at one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl IdGenerator for SequentialIds {
    fn trace_id(&self) -> TraceId {
        TraceId::from_u128(next(&self.0.traces).into()).unwrap_or_else(|| self.trace_id())
    }

    fn span_id(&self) -> SpanId {
        SpanId::from_u64(next(&self.0.spans)).unwrap_or_else(|| self.span_id())
    }
}

fn next(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_on_together() {
        let ids = SequentialIds::new();
        let drawn = [ids.span_id(), ids.clone().span_id(), ids.span_id()].map(SpanId::to_u64);
        assert_eq!(drawn, [1, 2, 3]);
        assert_eq!(ids.trace_id().to_u128(), 1);
        assert!(!ids.is_random(), "the random flag must not be set");
    }
}
