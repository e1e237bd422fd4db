//! The spans that wait for the rest of their trace.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use throughline_core::{AttributeValue, SpanData, SpanId, TraceId};

/// Bounded in spans and bytes; what arrived first is dropped first. It has no clock: the time is given to it.
pub(crate) struct Store {
    quiet: Duration,
    max_spans: usize,
    max_bytes: usize,
    /// By the order in which they began to arrive.
    traces: BTreeMap<u64, Trace>,
    numbers: HashMap<TraceId, u64>,
    next_number: u64,
    spans: usize,
    bytes: usize,
    /// The latest that were drawn, and when they began.
    drawn: VecDeque<(TraceId, SystemTime)>,
    pauses: Pauses,
    dropped: u64,
    mentioned: u64,
}

/// A trace to draw.
pub(crate) struct Drawing {
    pub(crate) spans: Vec<SpanData>,
    /// When the trace began, if a part of it was drawn before.
    pub(crate) continues: Option<SystemTime>,
    /// Spans that were dropped since the last drawing.
    pub(crate) dropped: u64,
}

/// The time in which at least one exporter was paused.
#[derive(Clone, Copy, Default)]
struct Pauses {
    exporters: usize,
    since: Option<Instant>,
    past: Duration,
}

struct Trace {
    id: TraceId,
    spans: Vec<SpanData>,
    bytes: usize,
    /// The earliest start of its spans.
    began: SystemTime,
    last: Instant,
    /// All pauses up to then.
    paused: Duration,
    has_root: bool,
    ids: HashSet<SpanId>,
    remote_parents: HashSet<SpanId>,
    continues: Option<SystemTime>,
}

// === impl Store ===

impl Store {
    pub(crate) fn new(quiet: Duration, max_spans: usize, max_bytes: usize) -> Self {
        Self {
            quiet,
            max_spans,
            max_bytes,
            traces: BTreeMap::new(),
            numbers: HashMap::new(),
            next_number: 0,
            spans: 0,
            bytes: 0,
            drawn: VecDeque::new(),
            pauses: Pauses::default(),
            dropped: 0,
            mentioned: 0,
        }
    }

    /// Keeps a span, if need be in the place of older ones.
    pub(crate) fn add(&mut self, mut span: SpanData, now: Instant) {
        strip(&mut span);
        let bytes = size(&span);
        if bytes > self.max_bytes || self.max_spans == 0 {
            self.dropped += 1;
            return;
        }
        while self.spans >= self.max_spans || self.bytes + bytes > self.max_bytes {
            let Some(oldest) = self.traces.keys().next().copied() else { break };
            self.dropped += self.remove(oldest).map_or(0, |trace| trace.spans.len() as u64);
        }
        let id = span.span_context.trace_id();
        let number = *self.numbers.entry(id).or_insert(self.next_number);
        let drawn = &self.drawn;
        let trace = self.traces.entry(number).or_insert_with(|| {
            self.next_number += 1;
            let continues = drawn.iter().find_map(|(known, origin)| (*known == id).then_some(*origin));
            Trace {
                id,
                spans: Vec::new(),
                bytes: 0,
                began: span.start_time,
                last: now,
                paused: Duration::ZERO,
                has_root: false,
                ids: HashSet::new(),
                remote_parents: HashSet::new(),
                continues,
            }
        });
        trace.began = trace.began.min(span.start_time);
        trace.last = now;
        trace.paused = self.pauses.until(now);
        trace.bytes += bytes;
        trace.ids.insert(span.span_context.span_id());
        match span.parent_span_id {
            None => trace.has_root = true,
            Some(parent) if span.parent_is_remote => drop(trace.remote_parents.insert(parent)),
            Some(_) => {}
        }
        trace.spans.push(span);
        self.spans += 1;
        self.bytes += bytes;
    }

    /// An exporter begins something that keeps it from bringing what has ended meanwhile: that time is not quiet.
    pub(crate) fn pause(&mut self, now: Instant) {
        self.pauses.exporters += 1;
        self.pauses.since.get_or_insert(now);
    }

    /// It is back.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.pauses.exporters -= 1;
        if self.pauses.exporters == 0 {
            self.pauses.past = self.pauses.until(now);
            self.pauses.since = None;
        }
    }

    /// Of the traces whose time has come, the one that began first. `shared` says that others may bring spans, too.
    pub(crate) fn due(&mut self, now: Instant, shared: bool) -> Option<Drawing> {
        let (quiet, pauses) = (self.quiet, self.pauses);
        self.draw_first(|trace| trace.due(quiet, shared, &pauses).is_some_and(|at| at <= now))
    }

    /// When the next trace's time comes.
    pub(crate) fn next_due(&self, shared: bool) -> Option<Instant> {
        self.traces.values().filter_map(|trace| trace.due(self.quiet, shared, &self.pauses)).min()
    }

    /// Of all traces the one that began first, whether its time has come or not.
    pub(crate) fn next(&mut self) -> Option<Drawing> {
        self.draw_first(|_| true)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn draw_first(&mut self, wanted: impl Fn(&Trace) -> bool) -> Option<Drawing> {
        let wanted = self.traces.iter().filter(|(_, trace)| wanted(trace));
        let number = *wanted.min_by_key(|(_, trace)| trace.began)?.0;
        let trace = self.remove(number)?;
        if trace.continues.is_none() {
            self.drawn.push_back((trace.id, trace.began));
            if self.drawn.len() > REMEMBERED {
                self.drawn.pop_front();
            }
        }
        let dropped = self.dropped - self.mentioned;
        self.mentioned = self.dropped;
        Some(Drawing { spans: trace.spans, continues: trace.continues, dropped })
    }

    fn remove(&mut self, number: u64) -> Option<Trace> {
        let trace = self.traces.remove(&number)?;
        self.numbers.remove(&trace.id);
        self.spans -= trace.spans.len();
        self.bytes -= trace.bytes;
        Some(trace)
    }
}

// === impl Trace ===

impl Trace {
    /// When to draw the trace, if nothing more arrives; never if its root has not ended.
    fn due(&self, quiet: Duration, shared: bool, pauses: &Pauses) -> Option<Instant> {
        let longest = quiet.saturating_mul(PATIENCE);
        let patience = if self.has_root || self.continues.is_some() {
            quiet
        } else if self.remote_parents.difference(&self.ids).next().is_some() {
            if shared { longest } else { quiet }
        } else {
            return None;
        };
        // Of a pause that has not ended nobody knows how long it will be.
        let paused = if pauses.since.is_some() { longest } else { pauses.past.saturating_sub(self.paused) };
        self.last.checked_add(patience.saturating_add(paused).min(longest))
    }
}

// === impl Pauses ===

impl Pauses {
    fn until(&self, now: Instant) -> Duration {
        self.past + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// Keeps of a span what is drawn.
fn strip(span: &mut SpanData) {
    span.attributes.retain(|(key, _)| key == "error.type");
    span.attributes.shrink_to_fit();
    span.events = Vec::new();
    for link in &mut span.links {
        link.attributes = Vec::new();
    }
}

fn size(span: &SpanData) -> usize {
    let text = |value: &AttributeValue| match value {
        AttributeValue::List(list) => list.iter().map(|text| size_of_val(text) + text.len()).sum(),
        other => other.as_str().map_or(0, str::len),
    };
    let attributes: usize =
        span.attributes.iter().map(|(key, value)| size_of_val(value) + key.len() + text(value)).sum();
    // The ids are kept twice more.
    size_of_val(span) + 64 + span.name.len() + attributes + size_of_val(&span.links[..])
}

/// While others may bring the parent, a trace without its root waits so many times longer; no pause makes it longer yet.
const PATIENCE: u32 = 10;
/// So many drawn traces are remembered, to tell a continuation from a new trace.
const REMEMBERED: usize = 1024;

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
