//! Spans for tests: real ones, with known ids and a clock that stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use throughline_core::{
    Clock, Context, FinishedSpan, IdGenerator, ManualClock, Resource, Span, SpanContext, SpanData, SpanId, SpanKind,
    SpanSink, TraceFlags, TraceId, Tracer,
};

pub(super) struct Rig {
    clock: Arc<ManualClock>,
    ids: Arc<AtomicU64>,
    spans: Arc<Mutex<Vec<SpanData>>>,
}

struct Ids(Arc<AtomicU64>);

struct Sink(Arc<Mutex<Vec<SpanData>>>);

// === impl Rig ===

impl Rig {
    pub(super) fn new() -> Self {
        Self { clock: ManualClock::new(), ids: Arc::new(AtomicU64::new(1)), spans: Arc::default() }
    }

    pub(super) fn service(&self, name: &str) -> Tracer {
        Tracer::builder()
            .resource(Resource::new(name))
            .sink(Sink(Arc::clone(&self.spans)))
            .ids(Ids(Arc::clone(&self.ids)))
            .clock(Clock::manual(&self.clock))
            .build()
    }

    pub(super) fn micros(&self, micros: u64) {
        self.clock.advance(Duration::from_micros(micros));
    }

    pub(super) fn millis(&self, millis: u64) {
        self.micros(millis * 1000);
    }

    /// What has ended since the last call.
    pub(super) fn ended(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.spans.lock().unwrap())
    }
}

/// The context of a span as it arrives in another process.
pub(super) fn sent(span: &Span) -> Context {
    Context::ROOT.with_span_context(span.span_context().unwrap().with_remote(true))
}

pub(super) fn elsewhere(trace: u128, span: u64) -> SpanContext {
    let (trace, span) = (TraceId::from_u128(trace).unwrap(), SpanId::from_u64(span).unwrap());
    SpanContext::new(trace, span, TraceFlags::SAMPLED)
}

pub(super) fn child(tracer: &Tracer, name: &str, kind: SpanKind, parent: &Context) -> Span {
    tracer.span(name).kind(kind).parent(parent).start()
}

impl IdGenerator for Ids {
    fn trace_id(&self) -> TraceId {
        TraceId::from_u128(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_0000 + u128::from(self.0.load(Ordering::SeqCst)))
            .unwrap()
    }

    fn span_id(&self) -> SpanId {
        SpanId::from_u64(0x00f0_67aa_0ba9_0000 + self.0.fetch_add(1, Ordering::SeqCst)).unwrap()
    }
}

impl SpanSink for Sink {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        self.0.lock().unwrap().push(span.to_data());
    }
}
