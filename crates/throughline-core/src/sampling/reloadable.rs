//! A sampler that is replaced while the process runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Sampler, SamplingDecision, SamplingInput};

/// A sampler that its [handle](SamplerHandle) replaces at run time: by an administrator's request, a file, a remote
/// configuration.
///
/// It is asked about every span, children included, since what replaces it need not follow parents; that is a read
/// lock, which nobody holds for longer than it takes to exchange a pointer.
///
/// ```
/// use throughline_core::{AlwaysOff, ParentBased, Probability, Reloadable, Tracer};
///
/// let (sampler, handle) = Reloadable::new(ParentBased::new(AlwaysOff));
/// let tracer = Tracer::builder().sampler(sampler).build();
/// handle.set(ParentBased::new(Probability::new(1.0)));
/// assert!(tracer.span("request").start().context().is_sampled());
/// ```
#[derive(Clone)]
pub struct Reloadable(Slot);

/// Replaces the sampler of a [`Reloadable`]. A clone replaces the same one.
#[derive(Clone)]
pub struct SamplerHandle(Slot);

type Slot = Arc<RwLock<Arc<dyn Sampler>>>;

// === impl Reloadable ===

impl Reloadable {
    /// Begins with this sampler.
    #[must_use]
    pub fn new(sampler: impl Sampler) -> (Self, SamplerHandle) {
        let slot: Slot = Arc::new(RwLock::new(Arc::new(sampler)));
        (Self(Arc::clone(&slot)), SamplerHandle(slot))
    }
}

impl Sampler for Reloadable {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        // Not under the lock: a sampler is the user's code, and may replace itself.
        current(&self.0).sample(input)
    }
}

impl fmt::Debug for Reloadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reloadable").field(&current(&self.0)).finish()
    }
}

// === impl SamplerHandle ===

impl SamplerHandle {
    /// Decides by this sampler from the next span on.
    pub fn set(&self, sampler: impl Sampler) {
        let mut sampler: Arc<dyn Sampler> = Arc::new(sampler);
        std::mem::swap(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), &mut sampler);
        // The old one is dropped here, where no lock is held.
    }
}

impl fmt::Debug for SamplerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SamplerHandle").field(&current(&self.0)).finish()
    }
}

fn current(slot: &Slot) -> Arc<dyn Sampler> {
    Arc::clone(&slot.read().unwrap_or_else(PoisonError::into_inner))
}
