//! So many traces per second.

use std::time::Duration;

use super::{Sampler, SamplingDecision, SamplingInput, SamplingState};
use crate::TokenBucket;

/// Records so many traces per second, spread over it: a burst does not use up what the rest of the second is to have.
///
/// From ten a second on, at most a tenth of a second's quota is recorded at once; below that the quota may be used up
/// anywhere in the second, as in Brave's `RateLimitingSampler`. What [`SamplingState::Debug`] asks for is recorded past
/// the limit, and takes nothing of it.
///
/// A limit is one process's, and says nothing to others: put it below [`ParentBased`](super::ParentBased), or traces
/// will be recorded in part. It takes no lock.
///
/// ```
/// use throughline_core::{ParentBased, RateLimiting};
///
/// let sampler = ParentBased::new(RateLimiting::per_second(10));
/// # let _ = sampler;
/// ```
#[derive(Debug)]
pub struct RateLimiting(TokenBucket);

// === impl RateLimiting ===

impl RateLimiting {
    /// Records so many traces per second; with 0 none.
    #[must_use]
    pub fn per_second(traces: u32) -> Self {
        Self::new(traces, Duration::from_secs(1))
    }

    /// Records so many traces in this time, which is taken as at least a millisecond: `new(6, minute)` is one every ten
    /// seconds.
    #[must_use]
    pub fn new(traces: u32, per: Duration) -> Self {
        let burst = if traces < 10 { traces } else { traces.div_ceil(10) };
        Self(TokenBucket::new(traces, per.max(Duration::from_millis(1)), burst))
    }
}

impl Sampler for RateLimiting {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        SamplingDecision::of(input.state() == SamplingState::Debug || self.0.take(input.now()))
    }
}
