//! What the parent did.

use std::fmt;

use super::{AlwaysOn, Sampler, SamplingDecision, SamplingInput, SamplingState};

/// Does what the parent did, and asks another sampler where there is no parent or it left the decision open.
///
/// | parent | by default | set by |
/// |---|---|---|
/// | none, or it left the decision open | the sampler given to [`new`](Self::new) | |
/// | remote, sampled | sampled | [`remote_parent_sampled`](Self::remote_parent_sampled) |
/// | remote, not sampled | not sampled | [`remote_parent_not_sampled`](Self::remote_parent_not_sampled) |
/// | local, sampled | sampled | [`local_parent_sampled`](Self::local_parent_sampled) |
/// | local, not sampled | not sampled | [`local_parent_not_sampled`](Self::local_parent_not_sampled) |
///
/// A decision that came without ids, B3's `b3: 0`, is that of a remote parent; *debug* is *sampled*. While the last four
/// are the defaults, spans below a decision cost no call
/// ([OpenTelemetry, ParentBased](https://opentelemetry.io/docs/specs/otel/trace/sdk/#parentbased)).
///
/// ```
/// use throughline_core::{ParentBased, Probability, RateLimiting};
///
/// let one_in_ten = ParentBased::new(Probability::new(0.1));
/// let whatever_they_say = ParentBased::new(Probability::new(0.1)).remote_parent_sampled(RateLimiting::per_second(20));
/// # let _ = (one_in_ten, whatever_they_say);
/// ```
#[derive(Default)]
pub struct ParentBased<S = AlwaysOn> {
    root: S,
    /// Remote and not sampled, remote and sampled, local and not sampled, local and sampled.
    others: Option<Box<Others>>,
}

type Others = [Option<Box<dyn Sampler>>; 4];

// === impl ParentBased ===

impl<S> ParentBased<S> {
    /// Asks `root` where no parent has decided.
    #[must_use]
    pub const fn new(root: S) -> Self {
        Self { root, others: None }
    }

    /// Asks this sampler where a remote parent is sampled.
    #[must_use]
    pub fn remote_parent_sampled(self, sampler: impl Sampler) -> Self {
        self.with(0, true, sampler)
    }

    /// Asks this sampler where a remote parent is not sampled.
    #[must_use]
    pub fn remote_parent_not_sampled(self, sampler: impl Sampler) -> Self {
        self.with(0, false, sampler)
    }

    /// Asks this sampler where a local parent is sampled.
    #[must_use]
    pub fn local_parent_sampled(self, sampler: impl Sampler) -> Self {
        self.with(LOCAL, true, sampler)
    }

    /// Asks this sampler where a local parent is not sampled.
    #[must_use]
    pub fn local_parent_not_sampled(self, sampler: impl Sampler) -> Self {
        self.with(LOCAL, false, sampler)
    }

    fn with(mut self, side: usize, sampled: bool, sampler: impl Sampler) -> Self {
        self.others.get_or_insert_default()[side + usize::from(sampled)] = Some(Box::new(sampler));
        self
    }
}

impl<S: Sampler> Sampler for ParentBased<S> {
    #[inline]
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        if input.state() == SamplingState::Defer {
            return self.root.sample(input);
        }
        let sampled = input.state().is_sampled();
        let side = if input.parent().is_some_and(|parent| !parent.is_remote()) { LOCAL } else { 0 };
        let other = self.others.as_ref().and_then(|others| others[side + usize::from(sampled)].as_ref());
        other.map_or(SamplingDecision::of(sampled), |other| other.sample(input))
    }

    fn follows_parent(&self) -> bool {
        self.others.is_none()
    }
}

impl<S: fmt::Debug> fmt::Debug for ParentBased<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ParentBased");
        out.field("root", &self.root);
        let names =
            ["remote_parent_not_sampled", "remote_parent_sampled", "local_parent_not_sampled", "local_parent_sampled"];
        for (name, other) in names.iter().zip(self.others.iter().flat_map(|others| others.iter())) {
            if let Some(other) = other {
                out.field(name, other);
            }
        }
        out.finish()
    }
}

/// Where the samplers for local parents begin.
const LOCAL: usize = 2;
