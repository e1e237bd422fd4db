//! What samplers answer.

use super::{Change, Threshold};

/// What a [`Sampler`](super::Sampler) answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SamplingDecision {
    recorded: bool,
    sampled: bool,
    change: Option<Change>,
}

// === impl SamplingDecision ===

impl SamplingDecision {
    /// The span is not recorded; its context is propagated with the *sampled* flag cleared.
    pub const DROP: Self = Self { recorded: false, sampled: false, change: None };

    /// The span is recorded for listeners and processors and is not handed to the sink, unless a processor asks for
    /// that; its context is propagated with the *sampled* flag cleared.
    pub const RECORD: Self = Self { recorded: true, sampled: false, change: None };

    /// The span is recorded and handed to the sink.
    pub const SAMPLE: Self = Self { recorded: true, sampled: true, change: None };

    /// [`SAMPLE`](Self::SAMPLE) or [`DROP`](Self::DROP).
    #[must_use]
    pub const fn of(sampled: bool) -> Self {
        if sampled { Self::SAMPLE } else { Self::DROP }
    }

    /// The same, made by consistent probability: the threshold becomes `th` of the span's tracestate member `ot`, for
    /// those who count; without one a `th` that is there is removed, because it tells of another decision.
    #[must_use]
    pub const fn with_threshold(mut self, threshold: Option<Threshold>) -> Self {
        let random = match self.change {
            Some(change) => change.random,
            None => None,
        };
        self.change = Some(Change { threshold, random });
        self
    }

    /// The same, by randomness that is not in the trace id: it becomes `rv` of the tracestate member `ot`, for those
    /// further down. Only the right-most 56 bits are used.
    #[must_use]
    pub const fn with_randomness(mut self, random: u64) -> Self {
        let threshold = match self.change {
            Some(change) => change.threshold,
            None => None,
        };
        self.change = Some(Change { threshold, random: Some(random & (super::probability::RANGE - 1)) });
        self
    }

    /// The same decision, but what is not sampled is recorded.
    #[must_use]
    pub const fn or_record(mut self) -> Self {
        self.recorded = true;
        self
    }

    /// What is to become of the tracestate.
    #[inline]
    pub(crate) const fn change(self) -> Option<Change> {
        self.change
    }

    /// Whether the span is handed to the sink, and its trace recorded further down.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.sampled
    }

    /// Whether the span is recorded, if only for this process.
    #[must_use]
    pub const fn is_recorded(self) -> bool {
        self.recorded
    }
}
