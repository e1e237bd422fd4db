//! The propagator core of [throughline](https://docs.rs/throughline): one trace context carried through everything a
//! service does, without a runtime and without I/O.
//!
//! A library takes this crate alone. It reads and attaches [`Context`]s, makes spans with a [`Tracer`], and pays nothing
//! when nobody records:
//!
//! ```
//! use throughline_core::{Context, ContextExt, SpanEnd, Tracer};
//!
//! async fn rebuild_index(documents: u32) {
//!     let tracer = Tracer::current();
//!     let span = tracer.span("rebuild index").start();
//!     let work = async { Context::current().span().set("index.documents", documents) };
//!     work.with_context(span.context()).await;
//!     span.end(SpanEnd::Completed);
//! }
//! # tokio_test::block_on(rebuild_index(3));
//! ```
//!
//! | to | there is |
//! |---|---|
//! | carry the context | [`Context`], [`ContextExt`], [`WithContext`], [`ContextGuard`] |
//! | put it on the wire | [`propagation`]: [`Composite`](propagation::Composite) of W3C, B3, X-Ray, Jaeger, one's own formats; carriers |
//! | keep it in a row, a job, a file | [`DurableContext`] |
//! | give the request something to carry | [`Baggage`], [`BaggageField`] |
//! | make spans | [`Tracer`], [`Span`], [`SpanRef`], [`Recording`] |
//! | choose which | [`Sampler`], [`ParentBased`], [`Probability`], [`RateLimiting`], [`Rules`], [`AlwaysRecord`], [`Reloadable`] |
//! | change, drop or keep them | [`processor`]: [`SpanProcessor`](processor::SpanProcessor), [`KeepIf`](processor::KeepIf), [`BaggageAttributes`](processor::BaggageAttributes) |
//! | take them | [`SpanSink`], [`FinishedSpan`], [`SpanBuffer`], [`Listener`] |
//! | instrument a protocol | [`Instrumenter`], [`Operation`] |
//! | measure | [`Listener`], [`metrics`] |
//!
//! # Guarantees
//!
//! * Propagation never depends on recording: unsampled, switched off, exporter down, the context flows all the same.
//! * A span ends exactly once, says how ([`SpanEnd`]), and does not wait for clones of its context.
//! * No input from the wire panics or is logged per occurrence; what is malformed is ignored and counted ([`Stats`]).
//! * Attaching costs two swaps of one word. An unsampled span allocates nothing in steady state.
//!
//! # Features
//!
//! * `http` (default): [`http::HeaderMap`] as a carrier.
//! * `serde`: [`DurableContext`], [`TraceId`] and [`SpanId`] as text.

pub mod metrics;
pub mod processor;
pub mod propagation;

mod attribute;
mod baggage;
mod baggage_field;
mod clock;
mod context;
mod diagnostics;
mod durable;
mod error_type;
mod finished;
mod flags;
mod hex;
mod id;
mod instrumenter;
mod kind;
mod limits;
mod listener;
mod random;
mod record;
mod resource;
mod sampling;
#[cfg(feature = "serde")]
mod serde;
mod sink;
mod span;
mod span_context;
mod stats;
mod text;
mod text_list;
mod token_bucket;
mod tracer;
mod tracestate;
mod with_context;
mod xray_ids;

pub use self::attribute::{AttributeValue, AttributeVisitor, Attributes, Key, Value};
pub use self::baggage::{Baggage, InvalidBaggage, Member};
pub use self::baggage_field::{BaggageField, BaggageUpdateError};
pub use self::clock::{Clock, ManualClock};
pub use self::context::{Context, ContextGuard, Entered, misplaced_guards};
pub use self::diagnostics::Diagnostic;
pub use self::durable::{DurableContext, InvalidDurableContext};
pub use self::error_type::{error_type, error_type_in_chain, error_type_with};
pub use self::finished::{Event, EventData, FinishedSpan, Link, LinkData, SpanBuffer, SpanData};
pub use self::flags::TraceFlags;
pub use self::id::{InvalidId, SpanId, TraceId};
pub use self::instrumenter::{Instrumenter, Operation};
pub use self::kind::{Scope, SemanticKey, SpanEnd, SpanKind, SpanName, Status};
pub use self::limits::SpanLimits;
pub use self::listener::{End, Listener, Start};
pub use self::random::{IdGenerator, RandomIds};
pub use self::record::{Edit, Recording};
pub use self::resource::Resource;
pub use self::sampling::{
    AlwaysOff, AlwaysOn, AlwaysRecord, InvalidThreshold, Match, ParentBased, Probability, RateLimiting, Reloadable,
    Rules, Sampler, SamplerHandle, SamplingDecision, SamplingInput, SamplingState, Threshold, TraceIdRatio,
};
pub use self::sink::{NoSink, SpanSink};
pub use self::span::{Span, SpanRef};
pub use self::span_context::{InvalidTraceParent, SpanContext};
pub use self::stats::Stats;
pub use self::text_list::TextList;
#[doc(hidden)]
pub use self::token_bucket::TokenBucket;
pub use self::tracer::{SpanBuilder, Tracer, TracerBuilder, register_foreign_spans};
pub use self::tracestate::{InvalidTraceState, TraceState};
pub use self::with_context::{ContextExt, WithContext};
pub use self::xray_ids::XRayIds;
