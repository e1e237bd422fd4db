//! Contexts on the wire: formats, carriers, and what was read.
//!
//! # What formats can say about sampling
//!
//! | | W3C | B3 | X-Ray | Jaeger | OpenTracing | [durable](crate::DurableContext) |
//! |---|---|---|---|---|---|---|
//! | *accept*, *deny* with ids | yes | yes | yes | yes | yes, of the id the right half | yes |
//! | *defer* with ids | in tracestate | yes | yes | as *deny* | yes | yes |
//! | *debug* with ids | in tracestate | yes | as *accept* | yes | as *accept* | yes |
//! | *accept* without ids | no | yes | yes | no | yes | yes |
//! | *deny* without ids | no | yes | yes | no | yes | yes |
//! | *debug* without ids | no | yes | as *accept* | yes | as *accept* | yes |
//!
//! W3C's one bit cannot say *defer* and *debug*: they travel in a tracestate member of our own, `throughline=debug:{span}`,
//! which is believed only in front and beside the `traceparent` of that span; whoever makes a span between has decided.
//! (The member `ot` is OpenTelemetry's SDKs' alone.) The *random* flag and tracestate travel in W3C and durable only;
//! baggage in W3C's `baggage`, Jaeger and OpenTracing, and outwards in X-Ray.

mod b3;
pub mod carrier;
mod composite;
mod counters;
mod extracted;
mod format;
mod jaeger;
mod ot_trace;
mod outbound;
mod pairs;
mod w3c;
mod wire;
mod xray;

pub use self::b3::B3;
pub use self::carrier::{Extractor, Field, FieldSet, FieldValue, Injector};
pub use self::composite::{Composite, Policy};
pub(crate) use self::counters::Counters;
pub use self::extracted::Extracted;
pub use self::format::Format;
pub use self::jaeger::Jaeger;
pub use self::ot_trace::OtTrace;
pub use self::w3c::{TraceContext, W3cBaggage};
pub use self::xray::XRay;

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

    /// How the names of further fields begin that it may write, in lower case: of formats that make a field per key.
    fn prefixes(&self) -> &[&'static str] {
        &[]
    }
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

/// The member of tracestate that says what `traceparent` has no bit for.
const W3C_MEMBER: &str = "throughline";
