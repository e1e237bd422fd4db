//! The formats that a composite is made of.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::carrier::{FieldSet, Fields};
use super::counters::Counters;
use super::outbound::Outbound;
use super::wire::Wire;
use super::{B3, Extracted, Injector, Jaeger, OtTrace, Propagator, TraceContext, W3cBaggage, XRay};

/// One format of a [`Composite`](super::Composite).
///
/// | name in `OTEL_PROPAGATORS` | format |
/// |---|---|
/// | `tracecontext` | [`TraceContext`](Self::TraceContext) |
/// | `baggage` | [`Baggage`](Self::Baggage) |
/// | `b3`, `b3multi` | [`B3`](Self::B3) |
/// | `xray`, `xray-lambda`, and `xray-sqs`, which is ours | [`XRay`](Self::XRay) |
/// | `jaeger` | [`Jaeger`](Self::Jaeger) |
/// | `ottrace` | [`OtTrace`](Self::OtTrace) |
#[derive(Clone)]
#[non_exhaustive]
pub enum Format {
    /// W3C trace context.
    TraceContext,
    /// W3C baggage.
    Baggage,
    /// Zipkin's B3: both ways are read, this one is written.
    B3(B3),
    /// AWS X-Ray.
    XRay(XRay),
    /// Jaeger's own.
    Jaeger,
    /// OpenTracing's.
    OtTrace,
    /// One's own.
    Custom(Arc<dyn Propagator>),
}

/// One thing for a built-in format, by its type, and another for one's own.
macro_rules! dispatch {
    ($format:expr, $wire:ident => $built_in:expr, $propagator:ident => $own:expr) => {
        dispatch!(@ $format, $wire => $built_in, $propagator => $own,
            TraceContext(TraceContext), Baggage(W3cBaggage), Jaeger(Jaeger), OtTrace(OtTrace))
    };
    (@ $format:expr, $wire:ident => $built_in:expr, $propagator:ident => $own:expr, $($unit:ident($value:ident)),*) => {
        match $format {
            $(Self::$unit => {
                let $wire = $value;
                $built_in
            })*
            Self::B3(format) => {
                let $wire = *format;
                $built_in
            }
            Self::XRay(format) => {
                let $wire = *format;
                $built_in
            }
            Self::Custom($propagator) => $own,
        }
    };
}

// === impl Format ===

impl Format {
    /// The names that [`by_name`](Self::by_name) knows.
    pub const NAMES: [&'static str; 9] =
        ["tracecontext", "baggage", "b3", "b3multi", "xray", "xray-lambda", "xray-sqs", "jaeger", "ottrace"];

    /// The built-in format that OpenTelemetry's `OTEL_PROPAGATORS` calls so, or that is called so here.
    ///
    /// ```
    /// use throughline_core::propagation::Format;
    ///
    /// assert!(Format::NAMES.iter().all(|name| Format::by_name(name).is_some()));
    /// assert!(Format::by_name("b4").is_none());
    /// ```
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "tracecontext" => Self::TraceContext,
            "baggage" => Self::Baggage,
            "b3" => Self::B3(B3::Single),
            "b3multi" => Self::B3(B3::Multi),
            "xray" => Self::XRay(XRay::Header),
            "xray-lambda" => Self::XRay(XRay::Lambda),
            "xray-sqs" => Self::XRay(XRay::Sqs),
            "jaeger" => Self::Jaeger,
            "ottrace" => Self::OtTrace,
            _ => return None,
        })
    }

    /// A format of one's own.
    pub fn custom(propagator: impl Propagator) -> Self {
        Self::Custom(Arc::new(propagator))
    }

    pub(super) fn is_same_built_in(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::B3(one), Self::B3(other)) => one == other,
            (Self::XRay(one), Self::XRay(other)) => one == other,
            (Self::Custom(_), _) => false,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    pub(super) fn add_fields(&self, set: &mut FieldSet) {
        dispatch!(self, format => set.add(Wire::fields(format), Wire::prefixes(format)),
            propagator => set.add(propagator.fields(), propagator.prefixes()));
    }

    /// The most bytes that names and values of ids and sampling take.
    pub(super) fn id_bytes(&self) -> usize {
        dispatch!(self, format => format.id_bytes(), _propagator => 0)
    }

    /// The most bytes that names and values of everything take; nobody knows what one's own writes.
    pub(super) fn most_bytes(&self) -> usize {
        dispatch!(self, format => format.most_bytes(), _propagator => 0)
    }

    /// Reads the parts that are asked for.
    pub(super) fn read<'a>(
        &self,
        carrier: &impl Fields<'a>,
        trace: bool,
        baggage: bool,
        found: &mut Extracted<'a>,
        counters: &Counters,
    ) {
        if !trace && !baggage {
            return;
        }
        dispatch!(self, format => {
            if trace {
                format.read_trace(carrier, found);
            }
            if baggage {
                format.read_baggage(carrier, found);
            }
        }, propagator => {
            // A format that panics has found nothing.
            match catch_unwind(AssertUnwindSafe(|| propagator.extract(carrier.carrier()))) {
                Ok(later) => found.merge(later, trace, baggage),
                Err(_) => counters.panicked(),
            }
        });
    }

    /// Writes what may be told.
    #[inline]
    pub(super) fn write<I: Injector>(&self, out: &mut Outbound<'_>, carrier: &mut I, counters: &Counters) {
        dispatch!(self, format => format.write(out, carrier), propagator => {
            // A format that panics has written what it has written; the request goes out all the same.
            let inject = || propagator.inject(out.context(), out.allowed(), carrier);
            if catch_unwind(AssertUnwindSafe(inject)).is_err() {
                counters.panicked();
            }
        });
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TraceContext => f.write_str("TraceContext"),
            Self::Baggage => f.write_str("Baggage"),
            Self::B3(format) => f.debug_tuple("B3").field(format).finish(),
            Self::XRay(format) => f.debug_tuple("XRay").field(format).finish(),
            Self::Jaeger => f.write_str("Jaeger"),
            Self::OtTrace => f.write_str("OtTrace"),
            Self::Custom(propagator) => f.debug_tuple("Custom").field(&propagator.fields()).finish(),
        }
    }
}
