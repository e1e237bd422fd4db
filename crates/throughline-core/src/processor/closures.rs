//! Processors of one line.

use std::fmt;

use super::{EndingSpan, SpanProcessor, StartingSpan, Verdict};

/// Calls a closure when a span starts; made by [`on_start`].
#[derive(Clone, Copy)]
pub struct OnStart<F>(F);

/// Calls a closure when a span ends; made by [`on_end`].
#[derive(Clone, Copy)]
pub struct OnEnd<F>(F);

/// Another processor, without which no span is exported; made by [`essential`].
#[derive(Clone, Copy, Debug)]
pub struct Essential<P>(P);

/// A processor that calls `hook` when a span starts.
///
/// ```
/// use throughline_core::{Tracer, processor};
///
/// let tracer = Tracer::builder().processor(processor::on_start(|span| span.set("shift", "night"))).build();
/// let span = tracer.span("bake").start();
/// assert_eq!(span.record(|span| span.has("shift")), Some(true));
/// ```
#[must_use]
pub fn on_start<F: Fn(&mut StartingSpan<'_>) + Send + Sync + 'static>(hook: F) -> OnStart<F> {
    OnStart(hook)
}

/// A processor that calls `hook` when a span ends.
///
/// ```
/// use throughline_core::processor::{self, Verdict};
/// use throughline_core::Tracer;
///
/// let short = processor::on_end(|span| match span.view().duration().as_micros() {
///     0..50 => Verdict::Drop,
///     _ => Verdict::Pass,
/// });
/// let tracer = Tracer::builder().processor(short).build();
/// # let _ = tracer;
/// ```
#[must_use]
pub fn on_end<F: Fn(&mut EndingSpan<'_>) -> Verdict + Send + Sync + 'static>(hook: F) -> OnEnd<F> {
    OnEnd(hook)
}

/// The same processor, [essential](SpanProcessor::is_essential): a span on which it panics is dropped, and so are all
/// spans once it is disabled.
///
/// ```
/// use throughline_core::processor::{self, Verdict};
/// use throughline_core::Tracer;
///
/// let redact = processor::on_end(|span| {
///     span.remove("user.email");
///     Verdict::Pass
/// });
/// let tracer = Tracer::builder().processor(processor::essential(redact)).build();
/// # let _ = tracer;
/// ```
#[must_use]
pub fn essential<P: SpanProcessor>(processor: P) -> Essential<P> {
    Essential(processor)
}

impl<F: Fn(&mut StartingSpan<'_>) + Send + Sync + 'static> SpanProcessor for OnStart<F> {
    fn on_start(&self, span: &mut StartingSpan<'_>) {
        self.0(span);
    }
}

impl<F: Fn(&mut EndingSpan<'_>) -> Verdict + Send + Sync + 'static> SpanProcessor for OnEnd<F> {
    fn on_end(&self, span: &mut EndingSpan<'_>) -> Verdict {
        self.0(span)
    }
}

impl<P: SpanProcessor> SpanProcessor for Essential<P> {
    fn on_start(&self, span: &mut StartingSpan<'_>) {
        self.0.on_start(span);
    }

    fn on_end(&self, span: &mut EndingSpan<'_>) -> Verdict {
        self.0.on_end(span)
    }

    fn is_essential(&self) -> bool {
        true
    }
}

impl<F> fmt::Debug for OnStart<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnStart").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for OnEnd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnEnd").finish_non_exhaustive()
    }
}
