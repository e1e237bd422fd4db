//! What the built-in formats have in common.

use super::carrier::Fields;
use super::outbound::Outbound;
use super::{Extracted, Field, Injector};
use crate::{SamplingState, SpanContext, SpanId, TraceFlags, TraceId};

/// A built-in format: read on top of what other formats found before, written to a carrier that has been cleared.
pub(super) trait Wire: Copy {
    /// Reads ids and sampling.
    fn read_trace<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        let _ = (carrier, found);
    }

    /// Reads the application's pairs.
    fn read_baggage<'a>(self, carrier: &impl Fields<'a>, found: &mut Extracted<'a>) {
        let _ = (carrier, found);
    }

    /// Writes what may be told.
    fn write<I: Injector + ?Sized>(self, out: &mut Outbound<'_>, to: &mut I);

    /// The fields that may be written, and those that are read and must therefore not stay behind.
    fn fields(self) -> &'static [Field];

    /// How the names of further fields begin.
    fn prefixes(self) -> &'static [&'static str] {
        &[]
    }

    /// The most bytes that names and values of ids and sampling take.
    fn id_bytes(self) -> usize {
        0
    }

    /// The most bytes that names and values of everything take.
    fn most_bytes(self) -> usize {
        self.id_bytes()
    }
}

/// What a format's fields said of ids and sampling.
pub(super) enum Said {
    Nothing,
    Malformed,
    Parent(TraceId, SpanId, SamplingState),
    /// A word on sampling without ids.
    Sampling(SamplingState),
}

// === impl Said ===

impl Said {
    #[inline(always)]
    pub(super) fn tell(self, found: &mut Extracted<'_>) {
        match self {
            Self::Nothing => {}
            Self::Malformed => found.malformed = true,
            Self::Parent(trace_id, span_id, sampling) => {
                let flags = TraceFlags::NONE.with_sampled(sampling.is_sampled());
                found.find_parent(SpanContext::new(trace_id, span_id, flags), sampling);
            }
            Self::Sampling(sampling) => found.find_sampling(sampling),
        }
    }
}

/// Makes a built-in format a propagator of its own.
macro_rules! propagator {
    ($format:ty) => {
        impl $crate::propagation::Propagator for $format {
            fn inject(
                &self,
                context: &$crate::Context,
                allow: $crate::propagation::Allow,
                carrier: &mut dyn $crate::propagation::Injector,
            ) {
                use $crate::propagation::wire::Wire as _;
                Wire::fields(*self).iter().for_each(|field| carrier.remove(field));
                self.prefixes().iter().for_each(|prefix| carrier.remove_prefixed(prefix));
                self.write(&mut $crate::propagation::outbound::Outbound::new(context, allow), carrier);
            }

            fn extract<'a>(
                &self,
                carrier: &'a dyn $crate::propagation::Extractor,
            ) -> $crate::propagation::Extracted<'a> {
                let mut found = $crate::propagation::Extracted::NOTHING;
                self.read_trace(&carrier, &mut found);
                self.read_baggage(&carrier, &mut found);
                found
            }

            fn fields(&self) -> &[$crate::propagation::Field] {
                Wire::fields(*self)
            }

            fn prefixes(&self) -> &[&'static str] {
                Wire::prefixes(*self)
            }
        }
    };
}

pub(super) use propagator;
