//! Which context was current, and when.

use std::sync::{Arc, Mutex, PoisonError};

use throughline_core::{Context, SpanContext};

/// Remembers which span was current at every call, poll and drop of what a test put into the code under test.
///
/// A clone is the same log. It keeps identities, not contexts: a log does not keep a span's memory from being reused.
///
/// ```
/// use throughline_core::{ContextExt, SpanEnd};
/// use throughline_testing::{ContextLog, ContextProbe, Point, tracer};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tracer, _) = tracer();
/// let span = tracer.span("work").start();
/// let log = ContextLog::new();
/// ContextProbe::new(&log).pending(1).with_context(span.context()).await;
/// assert_eq!(log.points(), [Point::Poll, Point::Poll, Point::Drop]);
/// log.assert_only(span.span_context());
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ContextLog(Arc<Mutex<Vec<Observation>>>);

/// One entry of a [`ContextLog`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Observation {
    /// What happened.
    pub point: Point,
    /// The span that was current then.
    pub span: Option<SpanContext>,
}

/// What happened when a [`ContextLog`] looked at the current context.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Point {
    /// A service was asked whether it is ready.
    Ready,
    /// A service was called.
    Call,
    /// A future was polled, or a body for a frame.
    Poll,
    /// A future or body was dropped.
    Drop,
    /// A test noted it itself.
    Note,
}

impl ContextLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes which span is current now.
    pub fn note(&self, point: Point) {
        let span = Context::current_span_context();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Observation { point, span });
    }

    /// The entries in the order in which they were made.
    #[must_use]
    pub fn entries(&self) -> Vec<Observation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What happened, in order.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        self.entries().iter().map(|entry| entry.point).collect()
    }

    /// How often that happened.
    #[must_use]
    pub fn count(&self, point: Point) -> usize {
        self.entries().iter().filter(|entry| entry.point == point).count()
    }

    /// Panics unless there are entries and this span was current, with these very flags, at each of them.
    ///
    /// # Panics
    ///
    /// If there is no entry, or one with another span.
    #[track_caller]
    pub fn assert_only(&self, span: impl Into<Option<SpanContext>>) {
        let (span, entries) = (span.into(), self.entries());
        assert!(!entries.is_empty(), "nothing was observed");
        let wrong = entries.iter().position(|entry| entry.span != span);
        if let Some(at) = wrong {
            let mut list = String::new();
            for (number, entry) in entries.iter().enumerate() {
                let mark = if number == at { '>' } else { ' ' };
                list.push_str(&format!("{mark} {:?}: {}\n", entry.point, show(entry.span)));
            }
            panic!("expected {} to be current throughout, but observed\n{list}", show(span));
        }
    }
}

fn show(span: Option<SpanContext>) -> String {
    span.map_or_else(|| "no span".to_owned(), |span| format!("span {} of trace {}", span.span_id(), span.trace_id()))
}
