//! What the tests of the core share: a sink that remembers, and every way in and out of the wire.

#![allow(dead_code, unused_imports, reason = "every test binary uses a part of it")]

mod job;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use throughline_core::{FinishedSpan, SpanContext, SpanData, SpanSink, Tracer, TracerBuilder};

pub(crate) use self::job::Job;
pub(crate) use self::wire::{Read, read, read_by, read_bytes, written, written_over};

pub(crate) const T: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const P: &str = "00f067aa0ba902b7";
pub(crate) const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// Remembers every span in the order in which they ended.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<SpanData>>>);

impl Memory {
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.lock().clone()
    }

    pub(crate) fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.lock())
    }

    /// The only span that ended since the last look.
    #[track_caller]
    pub(crate) fn one(&self) -> SpanData {
        let mut spans = self.take();
        assert_eq!(spans.len(), 1, "exactly one span ends: {spans:#?}");
        spans.remove(0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SpanData>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanSink for Memory {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        self.lock().push(span.to_data());
    }
}

/// A tracer with the defaults, and what it recorded.
pub(crate) fn recorder() -> (Tracer, Memory) {
    recorder_with(|builder| builder)
}

pub(crate) fn recorder_with(set_up: impl FnOnce(TracerBuilder) -> TracerBuilder) -> (Tracer, Memory) {
    let memory = Memory::default();
    (set_up(Tracer::builder().sink(memory.clone())).build(), memory)
}

pub(crate) fn remote(traceparent: &str) -> SpanContext {
    SpanContext::from_traceparent(traceparent.as_bytes()).expect("the test's own traceparent is valid")
}

/// Runs what panics on purpose, without its message in the test's output.
pub(crate) fn catch(work: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err()
}
