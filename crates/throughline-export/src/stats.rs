//! What a pipeline counted.

/// What a [`Pipeline`](crate::Pipeline) counted since it was built.
///
/// Every span that was handed over is counted exactly once: it is `waiting`, `exported`, `failed`, or was dropped for one
/// of the reasons.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct PipelineStats {
    /// Spans in the queue and in the batches that are being exported.
    pub waiting: u64,
    /// Spans that the exporter took; of several in a [`Fanout`](crate::Fanout), all of them.
    pub exported: u64,
    /// Spans that the exporter refused, or panicked over; of several in a [`Fanout`](crate::Fanout), at least one, while
    /// the others may have taken them.
    pub failed: u64,
    /// Spans that were dropped because the queue held as many as it may.
    pub dropped_queue_full: u64,
    /// Spans that were dropped because the queue held as many bytes as it may.
    pub dropped_queue_bytes: u64,
    /// Spans that ended after the shutdown.
    pub dropped_after_shutdown: u64,
    /// Spans that were not exported when the deadline of the shutdown came.
    pub dropped_at_shutdown: u64,
    /// Spans of batches whose export took longer than the export timeout. What it returned later was not believed.
    pub dropped_timed_out: u64,
    /// Spans that found no exporter any more, because it was put aside after repeated panics.
    pub dropped_exporter_gone: u64,
    /// Batches that were offered to the exporter.
    pub exports: u64,
    /// Panics of the exporter.
    pub exporter_panics: u64,
}

// === impl PipelineStats ===

impl PipelineStats {
    /// Spans that were dropped before or instead of an export, for whatever reason; `failed` is not among them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_queue_full
            + self.dropped_queue_bytes
            + self.dropped_after_shutdown
            + self.dropped_at_shutdown
            + self.dropped_timed_out
            + self.dropped_exporter_gone
    }
}
