//! What a composite counts in place of logging it.

use std::sync::atomic::AtomicU64;

use super::Extracted;
use super::outbound::Lost;
use crate::stats::{add, count};

/// A clone of a composite counts for itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) malformed: AtomicU64,
    pub(crate) oversized: AtomicU64,
    pub(crate) tracestate_dropped: AtomicU64,
    pub(crate) baggage_dropped: AtomicU64,
    pub(crate) panics: AtomicU64,
}

impl Counters {
    #[cold]
    pub(super) fn extracted(&self, found: &Extracted<'_>) {
        if found.malformed {
            count(&self.malformed);
        }
        if found.oversized {
            count(&self.oversized);
        }
    }

    #[cold]
    pub(super) fn lost(&self, lost: Lost) {
        add(&self.tracestate_dropped, lost.tracestate as u64);
        add(&self.baggage_dropped, lost.baggage as u64);
    }

    #[cold]
    pub(super) fn panicked(&self) {
        count(&self.panics);
    }
}

impl Clone for Counters {
    fn clone(&self) -> Self {
        Self::default()
    }
}
