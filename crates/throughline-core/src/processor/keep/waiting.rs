//! The spans that wait for their local roots.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use super::KeepStats;
use crate::processor::Verdict;
use crate::{FinishedSpan, SpanBuffer, SpanContext, SpanId, TraceId};

/// What waits, and what has been decided lately.
pub(super) struct Waiting {
    limits: Limits,
    /// How many decisions are remembered.
    most_kept: usize,
    most_forgotten: usize,
    traces: HashMap<Root, Trace>,
    /// A slot that no trace waits in keeps its buffer for the next one.
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// The traces that wait, the oldest first.
    oldest: usize,
    newest: usize,
    kept: VecDeque<Root>,
    forgotten: VecDeque<Root>,
    spare_bytes: usize,
    stats: KeepStats,
}

#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) spans: usize,
    pub(super) bytes: usize,
    pub(super) trace_spans: usize,
    pub(super) age: Duration,
}

/// A local root.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Root(TraceId, SpanId);

#[derive(Clone, Copy)]
enum Trace {
    /// In this slot.
    Waits(usize),
    Kept,
    Forgotten,
}

struct Slot {
    root: Root,
    since: Instant,
    older: usize,
    newer: usize,
    spans: SpanBuffer,
}

// === impl Limits ===

impl Limits {
    pub(super) const DEFAULT: Self =
        Self { spans: 2048, bytes: 8 * 1024 * 1024, trace_spans: 256, age: Duration::from_secs(300) };

    /// What one of so many shards may hold.
    pub(super) fn part(self, shards: usize) -> Self {
        Self { spans: self.spans / shards, bytes: self.bytes / shards, ..self }
    }
}

// === impl Root ===

impl Root {
    pub(super) fn of(span: &SpanContext) -> Self {
        Self(span.trace_id(), span.span_id())
    }
}

// === impl Waiting ===

impl Waiting {
    /// One of so many shards.
    pub(super) fn new(limits: Limits, shards: usize) -> Self {
        Self {
            limits,
            most_kept: KEPT / shards,
            most_forgotten: FORGOTTEN / shards,
            traces: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            kept: VecDeque::new(),
            forgotten: VecDeque::new(),
            spare_bytes: 0,
            stats: KeepStats::default(),
        }
    }

    pub(super) fn stats(&self) -> KeepStats {
        self.stats
    }

    pub(super) fn lose_without_root(&mut self) {
        self.stats.lost_without_root += 1;
    }

    /// A span that is no local root has ended.
    pub(super) fn add(&mut self, root: Root, span: &FinishedSpan<'_>, now: Instant) -> Verdict {
        self.expire(now);
        let slot = match self.traces.get(&root) {
            Some(Trace::Kept) => {
                self.stats.kept_spans += 1;
                return Verdict::Keep;
            }
            Some(Trace::Forgotten) => {
                self.stats.forgotten_spans += 1;
                return Verdict::Pass;
            }
            Some(Trace::Waits(slot)) => Some(*slot),
            None => None,
        };
        let (spans, bytes) = slot.map_or((0, 0), |slot| (self.slots[slot].spans.len(), self.slots[slot].spans.bytes()));
        let more = span.bytes();
        if spans >= self.limits.trace_spans {
            self.stats.lost_to_trace_limit += 1;
        } else if spans >= self.limits.spans || bytes + more > self.limits.bytes {
            self.stats.lost_to_room += 1;
        } else {
            self.make_room(more, slot);
            let slot = slot.unwrap_or_else(|| self.open(root, now));
            self.slots[slot].spans.push(span);
            self.stats.waiting_spans += 1;
            self.stats.waiting_bytes += more;
        }
        Verdict::Pass
    }

    /// A local root has ended; what waited for it, if it is kept.
    pub(super) fn decide(&mut self, root: Root, kept: bool, now: Instant) -> Option<SpanBuffer> {
        let (fate, lately, most) = if kept {
            (Trace::Kept, &mut self.kept, self.most_kept)
        } else {
            (Trace::Forgotten, &mut self.forgotten, self.most_forgotten)
        };
        // First out, then in: the memory of the last ones never grows.
        let longest = if lately.len() >= most { lately.pop_front() } else { None };
        lately.push_back(root);
        if let Some(longest) = longest {
            self.traces.remove(&longest);
        }
        let before = self.traces.insert(root, fate);
        let slot = if let Some(Trace::Waits(slot)) = before { Some(slot) } else { None };
        let spans = slot.map_or(0, |slot| self.slots[slot].spans.len()) as u64 + 1;
        let waited = if kept {
            self.stats.kept_traces += 1;
            self.stats.kept_spans += spans;
            slot.map(|slot| self.close(slot))
        } else {
            self.stats.forgotten_spans += spans;
            if let Some(slot) = slot {
                let spans = self.close(slot);
                self.keep_buffer(slot, spans);
            }
            None
        };
        // Last: the root itself has come in time.
        self.expire(now);
        waited
    }

    /// Lets go of traces whose local root takes too long.
    fn expire(&mut self, now: Instant) {
        while let Some(slot) = self.slots.get(self.oldest) {
            if now.saturating_duration_since(slot.since) <= self.limits.age {
                return;
            }
            self.stats.lost_to_age += slot.spans.len() as u64;
            self.evict(self.oldest);
        }
    }

    /// Lets go of the oldest traces until there is room for a span of this one.
    fn make_room(&mut self, bytes: usize, own: Option<usize>) {
        while self.stats.waiting_spans >= self.limits.spans || self.stats.waiting_bytes + bytes > self.limits.bytes {
            let victim = if own == Some(self.oldest) { self.slots[self.oldest].newer } else { self.oldest };
            let Some(slot) = self.slots.get(victim) else { return };
            self.stats.lost_to_room += slot.spans.len() as u64;
            self.evict(victim);
        }
    }

    fn evict(&mut self, slot: usize) {
        self.traces.remove(&self.slots[slot].root);
        let spans = self.close(slot);
        self.keep_buffer(slot, spans);
    }

    /// A slot for a trace, the newest.
    fn open(&mut self, root: Root, now: Instant) -> usize {
        let at = match self.free.pop() {
            Some(at) => {
                self.spare_bytes -= self.slots[at].spans.allocated();
                at
            }
            None => {
                self.slots.push(Slot { root, since: now, older: NONE, newer: NONE, spans: SpanBuffer::new() });
                self.slots.len() - 1
            }
        };
        let slot = &mut self.slots[at];
        (slot.root, slot.since, slot.older, slot.newer) = (root, now, self.newest, NONE);
        match self.slots.get_mut(self.newest) {
            Some(newest) => newest.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
        self.traces.insert(root, Trace::Waits(at));
        self.stats.waiting_traces += 1;
        at
    }

    /// Frees a slot; what waited in it.
    fn close(&mut self, at: usize) -> SpanBuffer {
        let Slot { older, newer, ref mut spans, .. } = self.slots[at];
        let spans = mem::take(spans);
        match self.slots.get_mut(older) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        self.free.push(at);
        self.stats.waiting_traces -= 1;
        self.stats.waiting_spans -= spans.len();
        self.stats.waiting_bytes -= spans.bytes();
        spans
    }

    /// Keeps a buffer for the next trace that waits in the slot, unless enough are kept.
    fn keep_buffer(&mut self, at: usize, mut spans: SpanBuffer) {
        let bytes = spans.allocated();
        if self.spare_bytes + bytes <= self.limits.bytes {
            spans.clear();
            self.spare_bytes += bytes;
            self.slots[at].spans = spans;
        }
    }
}

/// No slot.
const NONE: usize = usize::MAX;
/// How many decisions all shards remember.
const KEPT: usize = 512;
const FORGOTTEN: usize = 4096;
