//! Keeping traces that were not sampled and turn out to be worth it.

mod waiting;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::waiting::{Limits, Root, Waiting};
use super::{EndingSpan, SpanProcessor, Verdict};
use crate::{FinishedSpan, SpanContext, SpanEnd, Status};

/// Hands a trace that was not sampled to the sink all the same if its local root fails or is slow.
///
/// Spans that are recorded and not sampled wait, when they end, for their local root: the first span of the trace in
/// this process. When that ends and one of the conditions holds for it, the sink gets what waited, in the order in which
/// it ended, and then the root; otherwise all of it is forgotten. Children that end after their root share its fate.
/// Sampled spans pass untouched.
///
/// It needs a sampler that records what it does not sample: [`RECORD`](crate::SamplingDecision::RECORD) in place of
/// [`DROP`](crate::SamplingDecision::DROP). That costs as much as a sampled span but for its export. The decision is
/// this process's own: other services were told long before that the trace is not sampled.
///
/// Give it to the tracer as the last processor: what the sink gets later is what waits here, as the processors before
/// this one left it. A local root that one of those drops is never seen here.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use throughline_core::processor::KeepIf;
/// use throughline_core::Tracer;
///
/// let keep = Arc::new(KeepIf::failed().or_slower_than(Duration::from_millis(500)));
/// let tracer = Tracer::builder().processor(Arc::clone(&keep)).build();
/// // ... a sampler that records everything, requests ...
/// assert_eq!(keep.stats().lost(), 0);
/// # let _ = tracer;
/// ```
///
/// # Guarantees
///
/// * Bounded: at most [`max_spans`](Self::max_spans) spans of [`max_bytes`](Self::max_bytes) wait, of one trace at most
///   [`max_spans_per_trace`](Self::max_spans_per_trace), and none longer than [`max_age`](Self::max_age), which is
///   looked at when spans end. The memory is that of the spans, room to grow and buffers kept for the next ones: at most
///   three times as much.
/// * Where there is no room the traces that wait longest make it: of those in the same shard, of which there are up to
///   eight, each with its part of the limits and at least 256 spans and 1 MiB. What is lost is counted by reason
///   ([`stats`](Self::stats)), and a trace that is kept afterwards lacks it.
/// * The fate of the last 512 kept and 4096 forgotten traces, in a shard its part of them, is remembered. A child that
///   ends later still waits until there is no room or its time is over.
/// * One lock per shard, held for a look-up and a copy of one span, never while the sink or a condition runs. In steady
///   state nothing is allocated unless a trace is kept.
pub struct KeepIf {
    conditions: Vec<Condition>,
    limits: Limits,
    /// By local root: with a single lock threads that end spans wait for each other.
    shards: Vec<Mutex<Waiting>>,
}

/// What a [`KeepIf`] did so far, and what waits now.
///
/// Traces are counted by their local roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct KeepStats {
    /// Traces that were kept.
    pub kept_traces: u64,
    /// Spans that were kept, local roots included.
    pub kept_spans: u64,
    /// Spans of traces that were not worth keeping, local roots included.
    pub forgotten_spans: u64,
    /// Spans beyond what one trace may have.
    pub lost_to_trace_limit: u64,
    /// Spans that made room for others, or that there was no room for.
    pub lost_to_room: u64,
    /// Spans whose local root took too long.
    pub lost_to_age: u64,
    /// Spans whose local root is not recorded, or another library's.
    pub lost_without_root: u64,
    /// Traces of which something waits.
    pub waiting_traces: usize,
    /// Spans that wait.
    pub waiting_spans: usize,
    /// The bytes of those spans.
    pub waiting_bytes: usize,
}

type Condition = Box<dyn Fn(&FinishedSpan<'_>) -> bool + Send + Sync>;

// === impl KeepIf ===

impl KeepIf {
    /// Keeps traces whose local root failed: its status is an error, or it did not complete
    /// ([`SpanEnd`]: failed, cancelled, panicked).
    #[must_use]
    pub fn failed() -> Self {
        Self::matching(has_failed)
    }

    /// Keeps traces whose local root took longer than this.
    #[must_use]
    pub fn slower_than(duration: Duration) -> Self {
        Self::matching(move |root| root.duration() > duration)
    }

    /// Keeps traces whose local root fulfils a condition of one's own.
    ///
    /// Whoever learns in the middle of a request that its trace is wanted says so by an attribute of the
    /// [local root](crate::Context::local_root_span):
    ///
    /// ```
    /// use throughline_core::Context;
    /// use throughline_core::processor::KeepIf;
    ///
    /// let keep = KeepIf::matching(|root| root.attribute("keep").is_some());
    /// // ... in a handler:
    /// Context::current().local_root_span().set("keep", true);
    /// # let _ = keep;
    /// ```
    #[must_use]
    pub fn matching(condition: impl Fn(&FinishedSpan<'_>) -> bool + Send + Sync + 'static) -> Self {
        let bare = Self { conditions: vec![Box::new(condition)], limits: Limits::DEFAULT, shards: Vec::new() };
        bare.with_limits(|_| {})
    }

    /// Or if it [failed](Self::failed).
    #[must_use]
    pub fn or_failed(self) -> Self {
        self.or_matching(has_failed)
    }

    /// Or if it was [slower than this](Self::slower_than).
    #[must_use]
    pub fn or_slower_than(self, duration: Duration) -> Self {
        self.or_matching(move |root| root.duration() > duration)
    }

    /// Or if it [fulfils a condition](Self::matching) of one's own.
    #[must_use]
    pub fn or_matching(mut self, condition: impl Fn(&FinishedSpan<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.conditions.push(Box::new(condition));
        self
    }

    /// How many spans may wait; by default 2048.
    #[must_use]
    pub fn max_spans(self, spans: usize) -> Self {
        self.with_limits(|limits| limits.spans = spans)
    }

    /// How many bytes waiting spans may take ([`FinishedSpan::bytes`]); by default 8 MiB.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.with_limits(|limits| limits.bytes = bytes)
    }

    /// How many spans of one trace may wait; by default 256. The first ones stay.
    #[must_use]
    pub fn max_spans_per_trace(self, spans: usize) -> Self {
        self.with_limits(|limits| limits.trace_spans = spans)
    }

    /// How long a trace may wait, from the end of its first span on, if its local root has not ended; by default 5
    /// minutes. It should be more than any request takes that is worth keeping.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        self.with_limits(|limits| limits.age = age)
    }

    /// What was kept and what was lost so far, and what waits now.
    #[must_use]
    pub fn stats(&self) -> KeepStats {
        let mut all = KeepStats::default();
        for shard in &self.shards {
            let one = lock(shard).stats();
            all.add(&one);
        }
        all
    }

    fn with_limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        let shards = (self.limits.spans / SHARD_SPANS).min(self.limits.bytes / SHARD_BYTES).clamp(1, SHARDS);
        self.shards = (0..shards).map(|_| Mutex::new(Waiting::new(self.limits.part(shards), shards))).collect();
        self
    }

    fn shard(&self, root: &SpanContext) -> MutexGuard<'_, Waiting> {
        // Ids of spans are ours: no caller can aim at a shard.
        lock(&self.shards[(root.span_id().to_u64() % self.shards.len() as u64) as usize])
    }
}

impl SpanProcessor for KeepIf {
    fn on_end(&self, span: &mut EndingSpan<'_>) -> Verdict {
        if span.is_sampled() {
            return Verdict::Pass;
        }
        let Some(root) = span.local_root() else {
            self.shard(&span.view().span_context()).lose_without_root();
            return Verdict::Pass;
        };
        if root.is_sampled() {
            // It never comes, and what it let pass is not to be kept by it.
            return Verdict::Pass;
        }
        let (view, now) = (span.view(), span.ended_at());
        if !span.is_local_root() {
            return self.shard(&root).add(Root::of(&root), &view, now);
        }
        let kept = self.conditions.iter().any(|holds| holds(&view));
        let waited = self.shard(&root).decide(Root::of(&root), kept, now);
        if let Some(spans) = waited {
            span.emit(&spans);
        }
        if kept { Verdict::Keep } else { Verdict::Pass }
    }
}

impl fmt::Debug for KeepIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepIf").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

// === impl KeepStats ===

impl KeepStats {
    /// Spans that were lost, for whatever reason.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost_to_trace_limit + self.lost_to_room + self.lost_to_age + self.lost_without_root
    }

    fn add(&mut self, other: &Self) {
        self.kept_traces += other.kept_traces;
        self.kept_spans += other.kept_spans;
        self.forgotten_spans += other.forgotten_spans;
        self.lost_to_trace_limit += other.lost_to_trace_limit;
        self.lost_to_room += other.lost_to_room;
        self.lost_to_age += other.lost_to_age;
        self.lost_without_root += other.lost_without_root;
        self.waiting_traces += other.waiting_traces;
        self.waiting_spans += other.waiting_spans;
        self.waiting_bytes += other.waiting_bytes;
    }
}

fn lock(shard: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn has_failed(root: &FinishedSpan<'_>) -> bool {
    root.end() != SpanEnd::Completed || matches!(root.status(), Status::Error { .. })
}

const SHARDS: usize = 8;
/// What a shard has at least, if there is more than one.
const SHARD_SPANS: usize = 256;
const SHARD_BYTES: usize = 1024 * 1024;
