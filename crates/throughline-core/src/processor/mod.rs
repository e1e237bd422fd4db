//! What sees every recorded span at its start and at its end, and may change it, drop it or keep it.
//!
//! A [`SpanProcessor`] stands between the spans and their [`SpanSink`](crate::SpanSink): it redacts, renames, adds what
//! every span should say, drops what nobody wants to pay for, and keeps what the sampler would have thrown away. It is
//! given to [`TracerBuilder::processor`](crate::TracerBuilder::processor).
//!
//! ```
//! use throughline_core::processor::{self, BaggageAttributes, Verdict};
//! use throughline_core::{Edit, SpanName, Tracer};
//!
//! let tracer = Tracer::builder()
//!     // What the caller's baggage says of the tenant, on every span.
//!     .processor(BaggageAttributes::new(["tenant"]))
//!     // No health checks.
//!     .processor(processor::on_end(|span| match span.view().name() {
//!         SpanName::Target { target: "/healthz", .. } => Verdict::Drop,
//!         _ => Verdict::Pass,
//!     }))
//!     // No e-mail addresses, in attributes, events and links; a span that could not be looked at is not exported.
//!     .processor(processor::essential(processor::on_end(|span| {
//!         span.record(|span| {
//!             span.edit(|key, _| match key.as_str() {
//!                 "user.email" => Edit::Replace("[redacted]".into()),
//!                 "user.full_name" => Edit::Remove,
//!                 _ => Edit::Keep,
//!             });
//!         });
//!         Verdict::Pass
//!     })))
//!     // Another name.
//!     .processor(processor::on_end(|span| {
//!         if span.view().attribute("messaging.system").is_some() {
//!             span.record(|span| span.set_name("message"));
//!         }
//!         Verdict::Pass
//!     }))
//!     .build();
//! # let _ = tracer;
//! ```
//!
//! | ready-made | does |
//! |---|---|
//! | [`BaggageAttributes`] | copies named baggage to attributes when a span starts |
//! | [`KeepIf`] | keeps traces that were not sampled if they fail or are slow |
//! | [`on_start`], [`on_end`] | what a closure does |
//! | [`essential`] | makes another one essential: without it no span is exported |
//!
//! # Guarantees
//!
//! * Which spans: those whose sampler said [`SAMPLE`](crate::SamplingDecision::SAMPLE) or
//!   [`RECORD`](crate::SamplingDecision::RECORD), each once at its start and once at its end. Spans that are recorded for
//!   [`Listener`](crate::Listener)s alone are not shown.
//! * Order: processors are called in the order in which they were given to the builder, at the start and at the end. At
//!   the start the span has its name, attributes and links, and listeners have been told of it. At the end listeners come
//!   first, too: what they measure is what the application said. The sink comes last.
//! * [`Verdict::Drop`] is final: neither later processors nor the sink see the span.
//! * What a processor removes or overwrites is gone: its bytes are in no [`SpanBuffer`](crate::SpanBuffer) that the span
//!   is copied to afterwards.
//! * Panic: caught and counted in [`Stats::hook_panics`](crate::Stats::hook_panics), and the span goes on as it was left.
//!   After [some of them](crate::TracerBuilder::max_hook_panics) a processor is not called again. If it
//!   [is essential](SpanProcessor::is_essential), spans that it has not looked at are dropped.
//! * Cost: without processors one branch at the start and at the end of a recorded span, nothing for others.

mod baggage;
mod chain;
mod closures;
mod keep;
mod span;

pub use self::baggage::BaggageAttributes;
pub(crate) use self::chain::Processors;
pub use self::closures::{Essential, OnEnd, OnStart, essential, on_end, on_start};
pub use self::keep::{KeepIf, KeepStats};
pub use self::span::{EndingSpan, StartingSpan};

/// Sees every recorded span at its start and at its end.
///
/// Both hooks are called on the thread that starts or ends the span, the second often from `Drop`: do not block. See
/// [the module](self) for order, panics and cost.
///
/// ```
/// use throughline_core::processor::{EndingSpan, SpanProcessor, StartingSpan, Verdict};
///
/// struct Shift(&'static str);
///
/// impl SpanProcessor for Shift {
///     fn on_start(&self, span: &mut StartingSpan<'_>) {
///         span.set("shift", self.0);
///     }
///
///     fn on_end(&self, span: &mut EndingSpan<'_>) -> Verdict {
///         if span.view().name().to_text().starts_with("debug ") { Verdict::Drop } else { Verdict::Pass }
///     }
/// }
/// ```
pub trait SpanProcessor: Send + Sync + 'static {
    /// A span has started.
    fn on_start(&self, _span: &mut StartingSpan<'_>) {}

    /// A span has ended. What is written to it now is exported.
    fn on_end(&self, _span: &mut EndingSpan<'_>) -> Verdict {
        Verdict::Pass
    }

    /// Whether no span may be exported that this has not looked at: so it is with a redactor. Asked once, when the tracer
    /// is set up.
    ///
    /// A span is dropped and counted in
    /// [`Stats::spans_dropped_by_processors`](crate::Stats::spans_dropped_by_processors) if one of its hooks panicked on
    /// it, or if it was disabled because it panicked too often.
    fn is_essential(&self) -> bool {
        false
    }
}

/// What a [`SpanProcessor`] says of a span at its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[must_use]
pub enum Verdict {
    /// As the sampler decided, or as an earlier processor did.
    #[default]
    Pass,
    /// Neither later processors nor the sink see the span, sampled or not.
    Drop,
    /// The sink gets the span, sampled or not, unless a later processor drops it. Its *sampled* flag stays what it was:
    /// that is what other services were told.
    Keep,
}

impl<P: SpanProcessor + ?Sized> SpanProcessor for std::sync::Arc<P> {
    fn on_start(&self, span: &mut StartingSpan<'_>) {
        (**self).on_start(span);
    }

    fn on_end(&self, span: &mut EndingSpan<'_>) -> Verdict {
        (**self).on_end(span)
    }

    fn is_essential(&self) -> bool {
        (**self).is_essential()
    }
}

impl<P: SpanProcessor + ?Sized> SpanProcessor for Box<P> {
    fn on_start(&self, span: &mut StartingSpan<'_>) {
        (**self).on_start(span);
    }

    fn on_end(&self, span: &mut EndingSpan<'_>) -> Verdict {
        (**self).on_end(span)
    }

    fn is_essential(&self) -> bool {
        (**self).is_essential()
    }
}
