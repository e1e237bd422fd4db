//! Asserts the shape of traces in tests of throughline users and of throughline itself.
//!
//! A test makes a tracer of its own, so tests run in parallel, and says what the trace must look like:
//!
//! ```
//! use throughline_core::{SpanEnd, SpanKind};
//! use throughline_testing::{assert_trace, tracer};
//!
//! let (tracer, spans) = tracer();
//! let server = tracer.span("GET /orders/{id}").kind(SpanKind::Server).start();
//! server.context().scope(|| {
//!     tracer.span("load order").start_with(|span| span.push("order.id", 7)).end(SpanEnd::Completed);
//!     tracer.span("GET").kind(SpanKind::Client).start().end(SpanEnd::Cancelled);
//! });
//! server.end(SpanEnd::Completed);
//!
//! assert_trace!(spans,
//!     server "GET /orders/{id}" {
//!         client "GET" [end = Cancelled, status = Unset, !"error.type"]
//!         internal "load order" ["order.id" = 7]
//!     }
//! );
//! ```
//!
//! | to | there is |
//! |---|---|
//! | make a tracer whose spans can be read | [`tracer`], [`tracer_with`], [`MemorySink`], [`SequentialIds`] |
//! | wait for spans without sleeping | [`MemorySink::wait_for`], [`MemorySink::wait_until`] and their blocking twins |
//! | assert traces | [`assert_trace!`], [`shape!`], [`Shape`], [`ExpectedSpan`] |
//! | see which context was current | [`ContextProbe`], [`ContextLog`] |
//! | drive HTTP by a script | [`ScriptedBody`], [`ScriptedService`], [`Gate`] |
//! | read what was measured | [`MemoryMeter`] |
//! | find guards that were held wrongly | [`assert_no_misplaced_guards`] |
//! | check an adapter of one's own | `conformance::http`, with the feature `http` |
//!
//! # Guarantees
//!
//! * No process-global, no runtime: everything works on any executor and in tests that run in parallel. The exception
//!   is [`assert_no_misplaced_guards`], which reads a counter of the process.
//! * Nothing sleeps. A wait ends at the span that it waits for, or at its deadline with the trees that did arrive.
//! * Nothing here is meant for production: spans are copied, memory is not bounded.

mod assignment;
mod body;
mod compare;
#[cfg(feature = "http")]
pub mod conformance;
mod differences;
mod expected;
mod forest;
mod gate;
mod ids;
mod leak;
mod log;
mod macros;
mod memory;
mod meter;
mod pairing;
mod probe;
mod render;
mod service;
mod shape;
mod wait;

pub use self::body::{BodyError, BoxError, EndStream, ScriptedBody};
pub use self::expected::{ExpectedLink, ExpectedSpan};
pub use self::forest::tree;
pub use self::gate::{Gate, Opened};
pub use self::ids::SequentialIds;
pub use self::leak::assert_no_misplaced_guards;
pub use self::log::{ContextLog, Observation, Point};
pub use self::memory::{MemorySink, Spans};
pub use self::meter::{MemoryMeter, Series};
pub use self::probe::ContextProbe;
pub use self::service::{Answer, ScriptedFuture, ScriptedService};
pub use self::shape::{Mismatch, Part, Shape};
pub use self::wait::{TimedOut, Wait};

#[doc(hidden)]
pub use throughline_core as __core;
use throughline_core::{Tracer, TracerBuilder};

/// Makes a tracer that records every trace without a parent, and the sink that its spans arrive in.
///
/// Ids are random: spans of several tracers never collide.
///
/// ```
/// use throughline_core::SpanEnd;
///
/// let (tracer, spans) = throughline_testing::tracer();
/// tracer.span("rebuild index").start().end(SpanEnd::Completed);
/// assert_eq!(spans.spans()[0].name, "rebuild index");
/// ```
#[must_use]
pub fn tracer() -> (Tracer, MemorySink) {
    tracer_with(|builder| builder)
}

/// Makes a tracer that is set up by the closure, and the sink that its spans arrive in.
///
/// ```
/// use throughline_core::{AlwaysOff, SpanEnd};
/// use throughline_testing::tracer_with;
///
/// let (tracer, spans) = tracer_with(|builder| builder.sampler(AlwaysOff));
/// tracer.span("rebuild index").start().end(SpanEnd::Completed);
/// assert!(spans.is_empty());
/// ```
#[must_use]
pub fn tracer_with(set_up: impl FnOnce(TracerBuilder) -> TracerBuilder) -> (Tracer, MemorySink) {
    let sink = MemorySink::new();
    (set_up(Tracer::builder().sink(sink.clone())).build(), sink)
}
