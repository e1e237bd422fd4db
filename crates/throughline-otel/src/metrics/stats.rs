//! What a pipeline counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`MetricsPipeline`](crate::MetricsPipeline) counted since it was built.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MetricsStats {
    /// Collections that had something to export.
    pub collections: u64,
    /// Collections that every exporter took.
    pub exported: u64,
    /// Collections that at least one exporter refused, or took too long for. Of cumulative metrics nothing is lost: the
    /// next collection has it.
    pub failed: u64,
    /// Panics of exporters, and of what observable instruments call.
    pub panics: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) collections: AtomicU64,
    pub(super) exported: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) panics: AtomicU64,
}

impl Counts {
    pub(super) fn read(&self) -> MetricsStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        MetricsStats {
            collections: read(&self.collections),
            exported: read(&self.exported),
            failed: read(&self.failed),
            panics: read(&self.panics),
        }
    }
}
