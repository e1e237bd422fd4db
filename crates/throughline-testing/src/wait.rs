//! Waiting for spans, without a runtime and without sleeping.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use throughline_core::SpanData;

use crate::MemorySink;

/// Future that waits for spans; made by [`MemorySink::wait_for`] and [`MemorySink::wait_until`].
///
/// The deadline counts from the first poll. Dropping it ends the wait and its thread.
#[must_use = "futures do nothing unless polled"]
pub struct Wait<P> {
    sink: MemorySink,
    wanted: P,
    deadline: Duration,
    /// How many spans had arrived when `wanted` was asked last.
    asked: Option<u64>,
    alarm: Option<Arc<Alarm>>,
}

/// The spans that were waited for did not arrive; shows those that did.
///
/// `Debug` prints the same text as `Display`, so that `unwrap` shows the trees.
#[derive(Clone)]
pub struct TimedOut {
    spans: Vec<SpanData>,
    deadline: Duration,
}

/// Wakes a future when it is rung and at its deadline.
#[derive(Debug)]
pub(crate) struct Alarm {
    end: Instant,
    state: Mutex<AlarmState>,
    stopped: Condvar,
}

#[derive(Debug, Default)]
struct AlarmState {
    waker: Option<Waker>,
    stopped: bool,
}

// === impl Wait ===

impl<P> Wait<P> {
    pub(crate) fn new(sink: MemorySink, wanted: P, deadline: Duration) -> Self {
        Self { sink, wanted, deadline, asked: None, alarm: None }
    }
}

// Nothing is pinned.
impl<P> Unpin for Wait<P> {}

impl<P: FnMut(&[SpanData]) -> bool> Future for Wait<P> {
    type Output = Result<Vec<SpanData>, TimedOut>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let alarm = this.alarm.get_or_insert_with(|| Alarm::start(this.deadline, &this.sink));
        // Before looking: what arrives in between wakes.
        alarm.set_waker(cx.waker());
        let over = Instant::now() >= alarm.end;
        if this.asked != Some(this.sink.arrivals()) {
            let (spans, arrivals) = this.sink.snapshot();
            this.asked = Some(arrivals);
            if (this.wanted)(&spans) {
                return Poll::Ready(Ok(spans));
            }
        }
        if over { Poll::Ready(Err(TimedOut::new(this.sink.spans(), this.deadline))) } else { Poll::Pending }
    }
}

impl<P> Drop for Wait<P> {
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            self.sink.unsubscribe(&alarm);
            alarm.stop();
        }
    }
}

impl<P> fmt::Debug for Wait<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("sink", &self.sink).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

// === impl Alarm ===

impl Alarm {
    fn start(deadline: Duration, sink: &MemorySink) -> Arc<Self> {
        let alarm = Arc::new(Self {
            end: Instant::now() + deadline,
            state: Mutex::new(AlarmState::default()),
            stopped: Condvar::new(),
        });
        sink.subscribe(&alarm);
        let kept = Arc::clone(&alarm);
        let keeper = thread::Builder::new().name("throughline-testing-deadline".to_owned());
        keeper.spawn(move || kept.keep()).expect("a test may start a thread");
        alarm
    }

    /// The deadline's thread.
    fn keep(&self) {
        let left = self.end.saturating_duration_since(Instant::now());
        drop(self.stopped.wait_timeout_while(self.lock(), left, |state| !state.stopped));
        self.ring();
    }

    pub(crate) fn ring(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn set_waker(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let waker = state.waker.take();
        drop(state);
        self.stopped.notify_all();
        drop(waker);
    }

    fn lock(&self) -> MutexGuard<'_, AlarmState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl TimedOut ===

impl TimedOut {
    pub(crate) fn new(spans: Vec<SpanData>, deadline: Duration) -> Self {
        Self { spans, deadline }
    }

    /// The spans that did arrive.
    #[must_use]
    pub fn spans(&self) -> &[SpanData] {
        &self.spans
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spans, deadline } = self;
        match spans.len() {
            0 => write!(f, "after {deadline:?} no span has arrived"),
            count => write!(f, "after {deadline:?} only {count} span(s) have arrived:\n{}", crate::tree(spans)),
        }
    }
}

impl fmt::Debug for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for TimedOut {}

#[cfg(test)]
mod tests {
    use throughline_core::SpanEnd;

    use crate::tracer;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn spans_of_other_threads_end_the_wait() {
        let (tracer, spans) = tracer();
        let wait = spans.wait_for(2, LONG);
        let thread = thread::spawn(move || {
            tracer.span("one").start().end(SpanEnd::Completed);
            tracer.span("two").start().end(SpanEnd::Completed);
        });
        let names: Vec<_> = wait.await.unwrap().into_iter().map(|span| span.name).collect();
        thread.join().unwrap();
        assert_eq!(names, ["one", "two"]);
    }

    #[tokio::test]
    async fn the_deadline_shows_what_did_arrive() {
        let (tracer, spans) = tracer();
        let parent = tracer.span("parent").start();
        parent.context().scope(|| tracer.span("child").start().end(SpanEnd::Completed));
        parent.end(SpanEnd::Completed);
        let error = spans.wait_for(3, SHORT).await.unwrap_err();
        assert_eq!(
            format!("{error:?}"),
            "after 1ms only 2 span(s) have arrived:\ninternal \"parent\"\n└─ internal \"child\"\n"
        );
        assert_eq!(error.spans().len(), 2);
    }

    #[test]
    fn a_dropped_wait_leaves_nothing_behind() {
        let sink = MemorySink::new();
        let mut wait = Box::pin(sink.wait_for(1, LONG));
        assert!(wait.as_mut().poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
        let alarm = Arc::downgrade(wait.alarm.as_ref().unwrap());
        drop(wait);
        while alarm.upgrade().is_some() {
            thread::yield_now();
        }
    }

    #[test]
    fn blocking_waits_end_in_the_same_way() {
        let (tracer, spans) = tracer();
        let error = spans.wait_for_blocking(1, SHORT).unwrap_err();
        assert_eq!(error.to_string(), "after 1ms no span has arrived");
        let thread = thread::spawn(move || tracer.span("one").start().end(SpanEnd::Completed));
        let found = spans.wait_until_blocking(|spans| spans.iter().any(|span| span.name == "one"), LONG);
        thread.join().unwrap();
        assert_eq!(found.unwrap().len(), 1);
    }
}
