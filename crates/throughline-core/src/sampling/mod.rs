//! What is known about the sampling of a trace, and who decides when nothing is.

use std::fmt;

mod always_record;
mod decision;
mod input;
mod ot_member;
mod parent_based;
mod probability;
mod rate_limiting;
mod reloadable;
mod rules;

pub use self::always_record::AlwaysRecord;
pub use self::decision::SamplingDecision;
pub use self::input::SamplingInput;
pub(crate) use self::ot_member::Change;
pub use self::parent_based::ParentBased;
pub use self::probability::{InvalidThreshold, Probability, Threshold, TraceIdRatio};
pub use self::rate_limiting::RateLimiting;
pub use self::reloadable::{Reloadable, SamplerHandle};
pub use self::rules::{Match, Rules};

/// What a parent said about sampling; it may have said it without ids.
///
/// W3C knows two answers, B3 and X-Ray four: "no", "yes", "you decide" and "yes, and keep everything".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SamplingState {
    /// Nobody has decided yet: the local root does.
    #[default]
    Defer,
    /// Not to be recorded.
    Deny,
    /// To be recorded.
    Accept,
    /// To be recorded, past any rate limit.
    Debug,
}

/// Decides which spans are recorded, before anything of them is copied.
///
/// A sampler is called on the request's path, once per span: it must not block. One that panics counts as
/// [`DROP`](SamplingDecision::DROP) and is counted in [`Stats::hook_panics`](crate::Stats::hook_panics).
///
/// ```
/// use throughline_core::{Sampler, SamplingDecision, SamplingInput};
///
/// #[derive(Debug)]
/// struct NoHealthChecks;
///
/// impl Sampler for NoHealthChecks {
///     fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
///         match input.attribute("url.path").as_deref() {
///             Some("/healthz") => SamplingDecision::DROP,
///             _ => SamplingDecision::SAMPLE,
///         }
///     }
/// }
/// ```
pub trait Sampler: fmt::Debug + Send + Sync + 'static {
    /// Decides on one span.
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision;

    /// Whether it always does what a parent has decided, whatever else there is to see: such a sampler is only asked
    /// where no parent has.
    fn follows_parent(&self) -> bool {
        false
    }
}

/// Records every span.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysOn;

/// Records no span; contexts are propagated all the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysOff;

// === impl SamplingState ===

impl SamplingState {
    /// What the W3C *sampled* flag says.
    #[must_use]
    pub const fn of_flag(sampled: bool) -> Self {
        if sampled { Self::Accept } else { Self::Deny }
    }

    /// Whether the parent asked for the trace to be recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        matches!(self, Self::Accept | Self::Debug)
    }
}

// === impl Sampler ===

impl Sampler for AlwaysOn {
    #[inline]
    fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
        SamplingDecision::SAMPLE
    }
}

impl Sampler for AlwaysOff {
    #[inline]
    fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
        SamplingDecision::DROP
    }
}

impl<S: Sampler + ?Sized> Sampler for Box<S> {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        (**self).sample(input)
    }

    fn follows_parent(&self) -> bool {
        (**self).follows_parent()
    }
}

impl<S: Sampler + ?Sized> Sampler for std::sync::Arc<S> {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        (**self).sample(input)
    }

    fn follows_parent(&self) -> bool {
        (**self).follows_parent()
    }
}
