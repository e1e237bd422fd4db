//! Contexts on the wire: formats, carriers, and what was read.

pub mod carrier;
mod composite;
mod extracted;
mod w3c;

pub use self::carrier::{Extractor, Field, FieldValue, Injector};
pub use self::composite::{Composite, Format};
pub use self::extracted::Extracted;
pub use self::w3c::{TraceContext, W3cBaggage};

use crate::Context;

/// Writes contexts to carriers and reads them.
///
/// Both directions never fail. What is malformed is ignored and counted; a context without a trace writes nothing.
///
/// ```
/// use std::collections::HashMap;
/// use throughline_core::{Context, SpanContext};
/// use throughline_core::propagation::{Allow, Propagator, TraceContext};
///
/// let parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context = Context::ROOT.with_span_context(SpanContext::from_traceparent(parent)?);
/// let mut headers = HashMap::new();
/// TraceContext.inject(&context, Allow::ALL, &mut headers);
/// assert_eq!(headers["traceparent"].as_bytes(), parent);
///
/// let extracted = TraceContext.extract(&headers);
/// assert_eq!(extracted.span_context().unwrap().trace_id(), context.span_context().unwrap().trace_id());
/// # Ok::<(), throughline_core::InvalidTraceParent>(())
/// ```
pub trait Propagator: Send + Sync + 'static {
    /// Writes the context's fields to the carrier; an earlier field of the same name is replaced, and one that is
    /// not written is removed.
    fn inject(&self, context: &Context, allow: Allow, carrier: &mut dyn Injector);

    /// Reads what the carrier has.
    fn extract<'a>(&self, carrier: &'a dyn Extractor) -> Extracted<'a>;

    /// The fields that [`inject`](Self::inject) may write.
    fn fields(&self) -> &[Field];
}

/// What may be told to a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allow {
    /// Trace id, span id and flags.
    pub ids: bool,
    /// The vendors' entries.
    pub tracestate: bool,
    /// The application's pairs.
    pub baggage: bool,
}

impl Allow {
    /// Everything: inside one trust zone.
    pub const ALL: Self = Self { ids: true, tracestate: true, baggage: true };

    /// Everything but baggage: the default towards every host.
    pub const TRACE: Self = Self { ids: true, tracestate: true, baggage: false };

    /// Nothing; fields that are there already are still removed.
    pub const NONE: Self = Self { ids: false, tracestate: false, baggage: false };
}
