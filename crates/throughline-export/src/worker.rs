//! The thread that exports.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use throughline_core::{Clock, Context, Diagnostic};

use crate::guarded::Guarded;
use crate::queue::Taken;
use crate::request::enter_worker;
use crate::shared::Shared;
use crate::{Batch, ExportError};

pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) exporter: Guarded,
    pub(crate) batch: usize,
    pub(crate) delay: Duration,
    pub(crate) taken: Taken,
    /// What was dropped when that was last said.
    pub(crate) dropped: u64,
}

/// Whoever waits for the worker learns that it has ended, even if that was by a mistake of ours.
struct End(Arc<Shared>);

// === impl Worker ===

impl Worker {
    pub(crate) fn run(mut self) {
        let _end = End(Arc::clone(&self.shared));
        enter_worker(&self.shared);
        // Whatever the exporter calls is not to be traced: that would never end.
        Context::ROOT.with_instrumentation_suppressed().scope(|| self.work());
    }

    fn work(&mut self) {
        let mut next = after(Instant::now(), self.delay);
        loop {
            let asked = self.shared.asked();
            let mut now = Instant::now();
            if asked.pending || now >= next || self.shared.queue.is_due() {
                if !self.cycle() {
                    return;
                }
                if asked.pending && !self.exporter.is_gone() {
                    let flushed = self.exporter.flush();
                    self.note(flushed);
                }
                if asked.stop {
                    if !self.exporter.is_gone() {
                        let done = self.exporter.shutdown();
                        self.note(done);
                    }
                    return;
                }
                self.shared.answered(asked.generation);
                self.report_drops();
                now = Instant::now();
                next = after(now, self.delay);
            }
            let mut pause = next.saturating_duration_since(now);
            match self.exporter.tick(now) {
                Ok(wish) => pause = pause.min(wish.map_or(pause, |wish| wish.max(SHORTEST_PAUSE))),
                Err(error) => self.note(Err(error)),
            }
            // The exporter may have used up the wake-up that was meant for this loop: look once more, then park.
            self.shared.queue.rearm();
            if !self.shared.queue.is_due() && !self.shared.asked().pending {
                thread::park_timeout(pause);
            }
        }
    }

    /// Exports what waits; whether to go on.
    fn cycle(&mut self) -> bool {
        let Some(spans) = self.shared.take(&mut self.taken) else { return false };
        let mut first = 0;
        while first < spans && !self.exporter.is_gone() {
            let len = self.batch.min(spans - first);
            let batch = Batch::of(&self.taken.buffers, &self.shared.resource, first, len);
            self.shared.export_begins(len);
            let result = self.exporter.export(&batch);
            let message = result.as_ref().err().map(describe);
            if !self.shared.export_ended(len, result) {
                return false;
            }
            if let Some(message) = message {
                say(&FAILED, message);
            }
            first += len;
        }
        if self.exporter.is_gone() {
            self.shared.exporter_gone(spans - first);
        }
        self.shared.queue.clear(&mut self.taken);
        Clock::resync();
        true
    }

    fn note(&mut self, result: Result<(), ExportError>) {
        if let Err(error) = result {
            let message = describe(&error);
            self.shared.call_failed(error);
            say(&FAILED, message);
        }
    }

    fn report_drops(&mut self) {
        let stats = self.shared.stats();
        if stats.dropped() > self.dropped {
            let more = stats.dropped() - self.dropped;
            self.dropped = stats.dropped();
            say(&DROPPED, format!("{more} spans were dropped before they could be exported: {stats:?}"));
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.stopped();
    }
}

/// A subscriber is other people's code: if it panics, spans are exported all the same.
fn say(diagnostic: &Diagnostic, message: String) {
    let _ = catch_unwind(AssertUnwindSafe(|| diagnostic.warn(|| message)));
}

fn describe(error: &ExportError) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or(now + LONGEST_DELAY)
}

static FAILED: Diagnostic = Diagnostic::new();
static DROPPED: Diagnostic = Diagnostic::new();

/// However often an exporter wishes to be called.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);
