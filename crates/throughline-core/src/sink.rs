//! Where finished spans go.

use crate::FinishedSpan;

/// Takes finished spans: an exporter's pipeline, a test's memory.
///
/// `on_end` is called on whatever thread ended the span, often from `Drop`: it must not block, call user code or panic.
/// The span is lent for the call; [`SpanBuffer::push`](crate::SpanBuffer::push) copies it. Unsampled
/// spans do not come, unless a [processor](crate::processor) keeps them.
pub trait SpanSink: Send + Sync + 'static {
    /// Takes one span.
    fn on_end(&self, span: &FinishedSpan<'_>);
}

/// Forgets every span: propagation without recording.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl SpanSink for NoSink {
    fn on_end(&self, _: &FinishedSpan<'_>) {}
}

impl<S: SpanSink + ?Sized> SpanSink for std::sync::Arc<S> {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        (**self).on_end(span);
    }
}
