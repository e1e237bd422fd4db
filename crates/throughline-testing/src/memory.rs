//! Finished spans in memory.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use throughline_core::{FinishedSpan, SpanData, SpanSink};

use crate::wait::{Alarm, TimedOut, Wait};

/// Keeps every finished span in memory, in the order in which they ended.
///
/// A clone sees the same spans. The memory is not bounded: [`clear`](Self::clear) it in a test that runs for long.
///
/// ```
/// use throughline_core::{SpanEnd, Tracer};
/// use throughline_testing::MemorySink;
///
/// let spans = MemorySink::new();
/// let tracer = Tracer::builder().sink(spans.clone()).build();
/// tracer.span("rebuild index").start().end(SpanEnd::Completed);
/// assert_eq!(spans.take().len(), 1);
/// assert!(spans.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemorySink(Arc<Shared>);

/// Whatever finished spans can be read from: a [`MemorySink`], a slice, a vector.
pub trait Spans {
    /// The spans in the order in which they ended.
    fn to_spans(&self) -> Vec<SpanData>;
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    spans: Vec<SpanData>,
    /// How many spans came, those included that were taken away again.
    arrivals: u64,
    waiting: Vec<Arc<Alarm>>,
}

// === impl MemorySink ===

impl MemorySink {
    /// An empty sink.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the spans that ended so far.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanData> {
        self.lock().spans.clone()
    }

    /// Takes the spans that ended so far out of the sink.
    #[must_use = "`clear` forgets them"]
    pub fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.lock().spans)
    }

    /// Forgets the spans that ended so far.
    pub fn clear(&self) {
        drop(self.take());
    }

    /// How many spans there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().spans.len()
    }

    /// Whether there is no span.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first span of that name to have ended.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<SpanData> {
        self.lock().spans.iter().find(|span| span.name == name).cloned()
    }

    /// The spans as a tree, for people to read.
    #[must_use]
    pub fn tree(&self) -> String {
        crate::tree(&self.spans())
    }

    /// Waits until there are at least `count` spans, and gives all that there are.
    ///
    /// Works on every executor; the deadline is kept by a thread and in real time, also where tokio's time is paused.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use throughline_core::SpanEnd;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tracer, spans) = throughline_testing::tracer();
    /// let task = async move { tracer.span("in the background").start().end(SpanEnd::Completed) };
    /// tokio::spawn(task);
    /// let arrived = spans.wait_for(1, Duration::from_secs(5)).await.unwrap();
    /// assert_eq!(arrived[0].name, "in the background");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TimedOut`], which shows what did arrive, if there are fewer at the deadline.
    pub fn wait_for(&self, count: usize, deadline: Duration) -> Wait<impl FnMut(&[SpanData]) -> bool + use<>> {
        self.wait_until(move |spans| spans.len() >= count, deadline)
    }

    /// Waits until the spans are as the closure wants them, and gives all that there are.
    ///
    /// The closure is called whenever a span has arrived, on a copy and under no lock.
    ///
    /// # Errors
    ///
    /// [`TimedOut`], which shows what did arrive, if they are not at the deadline.
    pub fn wait_until<P: FnMut(&[SpanData]) -> bool>(&self, wanted: P, deadline: Duration) -> Wait<P> {
        Wait::new(self.clone(), wanted, deadline)
    }

    /// Blocks the thread until there are at least `count` spans, and gives all that there are.
    ///
    /// # Errors
    ///
    /// [`TimedOut`], which shows what did arrive, if there are fewer at the deadline.
    pub fn wait_for_blocking(&self, count: usize, deadline: Duration) -> Result<Vec<SpanData>, TimedOut> {
        self.wait_until_blocking(|spans| spans.len() >= count, deadline)
    }

    /// Blocks the thread until the spans are as the closure wants them, and gives all that there are.
    ///
    /// # Errors
    ///
    /// [`TimedOut`], which shows what did arrive, if they are not at the deadline.
    pub fn wait_until_blocking(
        &self,
        mut wanted: impl FnMut(&[SpanData]) -> bool,
        deadline: Duration,
    ) -> Result<Vec<SpanData>, TimedOut> {
        let end = Instant::now() + deadline;
        loop {
            let (spans, seen) = self.snapshot();
            if wanted(&spans) {
                return Ok(spans);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TimedOut::new(spans, deadline));
            }
            let news = |state: &mut State| state.arrivals == seen;
            drop(self.0.arrived.wait_timeout_while(self.lock(), left, news));
        }
    }

    /// The spans, and how many have ever arrived.
    pub(crate) fn snapshot(&self) -> (Vec<SpanData>, u64) {
        let state = self.lock();
        (state.spans.clone(), state.arrivals)
    }

    pub(crate) fn arrivals(&self) -> u64 {
        self.lock().arrivals
    }

    /// Rings the alarm at every span that arrives.
    pub(crate) fn subscribe(&self, alarm: &Arc<Alarm>) {
        self.lock().waiting.push(Arc::clone(alarm));
    }

    pub(crate) fn unsubscribe(&self, alarm: &Arc<Alarm>) {
        self.lock().waiting.retain(|other| !Arc::ptr_eq(other, alarm));
    }

    /// A test that panicked with the lock must not take the others' spans with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanSink for MemorySink {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        let data = span.to_data();
        let waiting = {
            let mut state = self.lock();
            state.spans.push(data);
            state.arrivals += 1;
            state.waiting.clone()
        };
        self.0.arrived.notify_all();
        for alarm in waiting {
            alarm.ring();
        }
    }
}

// === impl Spans ===

impl Spans for MemorySink {
    fn to_spans(&self) -> Vec<SpanData> {
        self.spans()
    }
}

impl Spans for [SpanData] {
    fn to_spans(&self) -> Vec<SpanData> {
        self.to_vec()
    }
}

impl Spans for Vec<SpanData> {
    fn to_spans(&self) -> Vec<SpanData> {
        self.clone()
    }
}

impl<const N: usize> Spans for [SpanData; N] {
    fn to_spans(&self) -> Vec<SpanData> {
        self.to_vec()
    }
}

impl<S: Spans + ?Sized> Spans for &S {
    fn to_spans(&self) -> Vec<SpanData> {
        (**self).to_spans()
    }
}
