//! Everything is recorded, and some of it sampled.

use super::{Sampler, SamplingDecision, SamplingInput};

/// Records what another sampler drops, for this process alone: listeners and
/// [processors](crate::processor::SpanProcessor) see it, downstream services and the sink do not, unless a processor
/// [keeps](crate::processor::Verdict::Keep) it.
///
/// It goes outside: `AlwaysRecord::new(ParentBased::new(…))`. Below [`ParentBased`](super::ParentBased) it is asked about
/// roots alone, and their children would not be recorded.
///
/// Every span then costs what a sampled one costs, but for its export.
///
/// ```
/// use throughline_core::processor::KeepIf;
/// use throughline_core::{AlwaysRecord, ParentBased, Probability, Tracer};
///
/// // One trace in a hundred, and of the others those that failed here.
/// let tracer = Tracer::builder()
///     .sampler(AlwaysRecord::new(ParentBased::new(Probability::new(0.01))))
///     .processor(KeepIf::failed())
///     .build();
/// # let _ = tracer;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysRecord<S> {
    inner: S,
}

// === impl AlwaysRecord ===

impl<S: Sampler> AlwaysRecord<S> {
    /// Records what this sampler drops.
    #[must_use]
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Sampler> Sampler for AlwaysRecord<S> {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        self.inner.sample(input).or_record()
    }
}
