//! HTTP bodies that follow a script.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{self, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::{ContextLog, Gate, Point};

/// The error of middleware that does not know the errors beneath it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Body that does step by step what a test tells it to.
///
/// Every poll and the drop are noted in its [`ContextLog`]. It is fused: polled after its end it says again that it
/// ended. By default its errors are [`BodyError`]s; `ScriptedBody::<BoxError>::of()` has others.
///
/// ```
/// use http_body::Body as _;
/// use throughline_testing::{Gate, ScriptedBody};
///
/// let gate = Gate::new();
/// let body = ScriptedBody::new().data("hello").pending().data(" world").wait(&gate).trailers([("grpc-status", "0")]);
/// assert!(!body.is_end_stream());
/// assert_eq!(body.size_hint().exact(), None);
/// assert_eq!(body.exact_size().size_hint().exact(), Some(11));
/// ```
#[must_use = "a body does nothing unless polled"]
pub struct ScriptedBody<E = BodyError> {
    steps: VecDeque<Step<E>>,
    end_stream: EndStream,
    size: Size,
    log: ContextLog,
}

/// What [`ScriptedBody`] answers when it is asked whether it has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EndStream {
    /// The truth: nothing but the end is left.
    #[default]
    Honest,
    /// Always no, as bodies do that do not know.
    Never,
    /// Always yes, which is a lie as long as frames are left.
    Always,
}

/// An error of a body or service in tests: [`error.type`] may have its name, and must not have its text.
///
/// [`error.type`]: https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyError(pub &'static str);

enum Step<E> {
    Data(Bytes),
    Trailers(HeaderMap),
    Pending,
    Wait(Gate),
    Error(E),
    Panic,
    End,
}

enum Size {
    Unknown,
    Exact,
    Fixed(SizeHint),
}

// === impl ScriptedBody ===

impl ScriptedBody {
    /// A body that has ended; steps make it longer.
    pub fn new() -> Self {
        Self::of()
    }
}

impl<E> ScriptedBody<E> {
    /// A body that has ended, whose errors are of another type than [`BodyError`].
    pub fn of() -> Self {
        Self { steps: VecDeque::new(), end_stream: EndStream::default(), size: Size::Unknown, log: ContextLog::new() }
    }

    /// Then gives a data frame.
    pub fn data(self, data: impl Into<Bytes>) -> Self {
        self.step(Step::Data(data.into()))
    }

    /// Then gives trailers.
    ///
    /// # Panics
    ///
    /// If a name or value is none that HTTP knows.
    pub fn trailers<'a>(self, fields: impl IntoIterator<Item = (&'static str, &'a str)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| {
            let value = value.parse().expect("a scripted trailer has a valid value");
            (http::HeaderName::from_static(name), value)
        });
        let trailers = fields.collect();
        self.step(Step::Trailers(trailers))
    }

    /// Then is pending once, and wakes the task at once.
    pub fn pending(self) -> Self {
        self.step(Step::Pending)
    }

    /// Then waits for the gate.
    pub fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.clone()))
    }

    /// Then fails.
    pub fn error(self, error: impl Into<E>) -> Self {
        self.step(Step::Error(error.into()))
    }

    /// Then panics.
    pub fn panic(self) -> Self {
        self.step(Step::Panic)
    }

    /// Then says that it has ended, whatever follows.
    pub fn end(self) -> Self {
        self.step(Step::End)
    }

    fn step(mut self, step: Step<E>) -> Self {
        self.steps.push_back(step);
        self
    }

    /// How it answers `is_end_stream`.
    pub fn end_stream(mut self, end_stream: EndStream) -> Self {
        self.end_stream = end_stream;
        self
    }

    /// Knows how much data is left; by default it does not.
    pub fn exact_size(mut self) -> Self {
        self.size = Size::Exact;
        self
    }

    /// Answers `size_hint` with this, true or not.
    pub fn size(mut self, hint: SizeHint) -> Self {
        self.size = Size::Fixed(hint);
        self
    }

    /// Notes polls and the drop in this log.
    pub fn observed_by(mut self, log: &ContextLog) -> Self {
        self.log = log.clone();
        self
    }

    /// Where polls and the drop are noted.
    #[must_use]
    pub fn log(&self) -> ContextLog {
        self.log.clone()
    }
}

// Nothing is pinned.
impl<E> Unpin for ScriptedBody<E> {}

impl<E> Body for ScriptedBody<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        self.log.note(Point::Poll);
        loop {
            if let Some(Step::Wait(gate)) = self.steps.front() {
                if gate.poll_opened(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            return Poll::Ready(match self.steps.pop_front() {
                Some(Step::Wait(_)) => continue,
                Some(Step::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
                Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                Some(Step::Error(error)) => Some(Err(error)),
                Some(Step::Panic) => panic!("scripted panic"),
                Some(Step::End) | None => None,
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.end_stream {
            EndStream::Honest => matches!(self.steps.front(), None | Some(Step::End)),
            EndStream::Never => false,
            EndStream::Always => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.size {
            Size::Unknown => SizeHint::new(),
            Size::Exact => SizeHint::with_exact(self.steps.iter().map(Step::bytes).sum()),
            Size::Fixed(hint) => *hint,
        }
    }
}

impl<E> Drop for ScriptedBody<E> {
    fn drop(&mut self) {
        self.log.note(Point::Drop);
    }
}

impl Default for ScriptedBody {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for ScriptedBody<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBody").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}

impl<E> Step<E> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            _ => 0,
        }
    }
}

// === impl BodyError ===

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BodyError {}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll<E>(body: &mut ScriptedBody<E>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        Pin::new(body).poll_frame(&mut task::Context::from_waker(Waker::noop()))
    }

    #[test]
    fn steps_come_in_their_order() {
        let gate = Gate::new();
        let mut body =
            ScriptedBody::new().data("a").pending().wait(&gate).trailers([("x", "1")]).error(BodyError("broken"));
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(frame))) if frame.is_data()));
        assert!(poll(&mut body).is_pending());
        assert!(poll(&mut body).is_pending(), "the gate is closed");
        gate.open();
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(frame))) if frame.is_trailers()));
        assert!(!body.is_end_stream());
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(BodyError("broken"))))));
        assert!(body.is_end_stream());
        assert!(matches!(poll(&mut body), Poll::Ready(None)));
        let log = body.log();
        drop(body);
        assert_eq!(log.count(Point::Poll), 6);
        assert_eq!(log.count(Point::Drop), 1);
    }

    #[test]
    fn hints_are_as_honest_as_told() {
        let mut body = ScriptedBody::<BoxError>::of().data("abc").data("de").exact_size();
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(poll(&mut body).is_ready());
        assert_eq!(body.size_hint().exact(), Some(2));
        assert!(ScriptedBody::new().end().data("never").is_end_stream());
        assert!(!ScriptedBody::new().end_stream(EndStream::Never).is_end_stream());
        assert!(ScriptedBody::new().data("a").end_stream(EndStream::Always).is_end_stream());
        assert_eq!(ScriptedBody::new().size(SizeHint::with_exact(9)).size_hint().exact(), Some(9));
    }
}
