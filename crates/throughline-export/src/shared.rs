//! What the handles of a pipeline, its worker and its sinks share.
//!
//! Locks are taken in one order, control before shard, and no foreign code runs under either: wakers and diagnostics are
//! called after the control was let go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use throughline_core::Resource;

use crate::error::{Failure, ShutdownError};
use crate::queue::{Door, Queue, Taken};
use crate::{ExportError, PipelineStats, lock};

pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) resource: Resource,
    export_timeout: Option<Duration>,
    pub(crate) control: Mutex<Control>,
    /// Notified when a request may have been answered, and when the timer has to look at the waiters again.
    pub(crate) changed: Condvar,
}

pub(crate) struct Control {
    /// The newest request, and the newest that was answered: an answer covers all that was asked before the worker began.
    requested: u64,
    pub(crate) done: u64,
    pub(crate) phase: Phase,
    /// Spans in the worker's hands that are not counted yet.
    taken: u64,
    flight: Option<Flight>,
    counts: Counts,
    failures: Failures,
    last_error: Option<Arc<ExportError>>,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) next_waiter: u64,
    timer_runs: bool,
}

pub(crate) enum Phase {
    Running,
    Stopping { before: Failures },
    Stopped(Result<(), ShutdownError>),
}

/// The batch that the exporter has.
struct Flight {
    since: Instant,
    spans: u64,
    timed_out: bool,
}

#[derive(Default)]
struct Counts {
    exported: u64,
    failed: u64,
    timed_out: u64,
    at_shutdown: u64,
    exporter_gone: u64,
    exports: u64,
    panics: u64,
}

/// What went wrong so far; the difference of two is what went wrong between them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Failures {
    calls: u64,
    spans: u64,
}

/// A future that waits for an answer.
pub(crate) struct Waiter {
    pub(crate) number: u64,
    pub(crate) waker: Waker,
    pub(crate) deadline: Option<Instant>,
}

/// What the worker was asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) generation: u64,
    pub(crate) pending: bool,
    pub(crate) stop: bool,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(queue: Queue, resource: Resource, export_timeout: Duration) -> Self {
        Self {
            queue,
            resource,
            export_timeout: (!export_timeout.is_zero()).then_some(export_timeout),
            control: Mutex::new(Control {
                requested: 0,
                done: 0,
                phase: Phase::Running,
                taken: 0,
                flight: None,
                counts: Counts::default(),
                failures: Failures::default(),
                last_error: None,
                waiters: Vec::new(),
                next_waiter: 0,
                timer_runs: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn stats(&self) -> PipelineStats {
        let mut control = lock(&self.control);
        self.note_timeout(&mut control);
        let lost = |reason: &AtomicU64| reason.load(Ordering::Relaxed);
        let Counts { exported, failed, timed_out, at_shutdown, exporter_gone, exports, panics } = control.counts;
        PipelineStats {
            waiting: self.waiting(&control),
            exported,
            failed,
            dropped_queue_full: lost(&self.queue.lost.queue_full),
            dropped_queue_bytes: lost(&self.queue.lost.queue_bytes),
            dropped_after_shutdown: lost(&self.queue.lost.after_shutdown),
            dropped_at_shutdown: at_shutdown,
            dropped_timed_out: timed_out,
            dropped_exporter_gone: exporter_gone + lost(&self.queue.lost.exporter_gone),
            exports,
            exporter_panics: panics,
        }
    }

    /// Asks for everything that has ended to be exported; the number of the request, and what had failed before it.
    pub(crate) fn ask_to_flush(&self) -> (u64, Failures) {
        let mut control = lock(&self.control);
        control.requested += 1;
        let asked = (control.requested, control.failures);
        drop(control);
        self.queue.wake();
        asked
    }

    /// Lets no more spans in, and asks for the rest to be exported; what had failed before.
    pub(crate) fn ask_to_stop(&self) -> Failures {
        let mut control = lock(&self.control);
        self.queue.shut(Door::Closed);
        if matches!(control.phase, Phase::Running) {
            control.phase = Phase::Stopping { before: control.failures };
            control.requested += 1;
        }
        let before = control.failures;
        drop(control);
        self.queue.wake();
        before
    }

    // What follows up to `stopped` is the worker's.

    pub(crate) fn asked(&self) -> Asked {
        let control = lock(&self.control);
        Asked {
            generation: control.requested,
            pending: control.requested > control.done,
            stop: !matches!(control.phase, Phase::Running),
        }
    }

    /// Takes what waits; nothing if a shutdown has given up waiting for the worker.
    pub(crate) fn take(&self, taken: &mut Taken) -> Option<usize> {
        let mut control = lock(&self.control);
        if matches!(control.phase, Phase::Stopped(_)) {
            return None;
        }
        // Under the lock, so that a shutdown which gives up finds every span in exactly one place.
        let spans = self.queue.take(taken);
        control.taken += spans as u64;
        Some(spans)
    }

    pub(crate) fn export_begins(&self, spans: usize) {
        let mut control = lock(&self.control);
        control.counts.exports += 1;
        control.flight = Some(Flight { since: Instant::now(), spans: spans as u64, timed_out: false });
    }

    /// Counts a batch; whether to go on.
    pub(crate) fn export_ended(&self, spans: usize, result: Result<(), ExportError>) -> bool {
        let mut control = lock(&self.control);
        self.note_timeout(&mut control);
        let flight = control.flight.take();
        self.queue.done(spans);
        if let Err(error) = &result {
            control.counts.panics += u64::from(error.panics());
        }
        if matches!(control.phase, Phase::Stopped(_)) {
            return false;
        }
        if flight.is_some_and(|flight| !flight.timed_out) {
            let spans = spans as u64;
            control.taken -= spans;
            match result {
                Ok(()) => control.counts.exported += spans,
                Err(error) => {
                    control.counts.failed += spans;
                    control.failed(spans, error);
                }
            }
        }
        true
    }

    /// Counts a call that had no spans.
    pub(crate) fn call_failed(&self, error: ExportError) {
        let mut control = lock(&self.control);
        control.counts.panics += u64::from(error.panics());
        control.failed(0, error);
    }

    /// The exporter was put aside: these spans are lost, and no more come in.
    pub(crate) fn exporter_gone(&self, spans: usize) {
        self.queue.shut(Door::ExporterGone);
        let mut control = lock(&self.control);
        if matches!(control.phase, Phase::Stopped(_)) {
            return;
        }
        control.taken -= spans as u64;
        control.counts.exporter_gone += spans as u64;
        control.failures.calls += 1;
        control.failures.spans += spans as u64;
        self.queue.done(spans);
    }

    pub(crate) fn answered(&self, generation: u64) {
        let mut control = lock(&self.control);
        control.done = control.done.max(generation);
        self.tell(control);
    }

    /// The worker ends.
    pub(crate) fn stopped(&self) {
        let mut control = lock(&self.control);
        self.queue.shut(Door::Closed);
        let outcome = match &control.phase {
            Phase::Stopped(_) => return,
            Phase::Stopping { before } => control.failure_since(*before).map_or(Ok(()), |f| Err(f.into_shutdown())),
            Phase::Running => Err(Failure::gone().into_shutdown()),
        };
        let lost = control.taken + self.queue.discard() as u64;
        control.taken = 0;
        control.counts.at_shutdown += lost;
        control.phase = Phase::Stopped(outcome);
        self.tell(control);
    }

    /// Stops waiting for the worker: what it has not exported is lost.
    pub(crate) fn give_up(&self, mut control: MutexGuard<'_, Control>) -> Result<(), ShutdownError> {
        let before = match &control.phase {
            Phase::Stopped(outcome) => return outcome.clone(),
            Phase::Stopping { before } => *before,
            Phase::Running => control.failures,
        };
        self.note_timeout(&mut control);
        let lost = control.taken + self.queue.discard() as u64;
        control.taken = 0;
        control.counts.at_shutdown += lost;
        let outcome = Err(ShutdownError::TimedOut { lost: lost + control.failures.spans - before.spans });
        control.phase = Phase::Stopped(outcome.clone());
        self.tell(control);
        outcome
    }

    pub(crate) fn waiting(&self, control: &Control) -> u64 {
        control.taken + self.queue.len() as u64
    }

    /// Counts the batch in flight as lost once it has taken too long. Nobody needs to be awake at that moment: whoever
    /// looks at the numbers next does it.
    pub(crate) fn note_timeout(&self, control: &mut Control) {
        let Some(timeout) = self.export_timeout else { return };
        let Some(flight) = &mut control.flight else { return };
        if !flight.timed_out && flight.since.elapsed() >= timeout && !matches!(control.phase, Phase::Stopped(_)) {
            flight.timed_out = true;
            let spans = flight.spans;
            control.taken -= spans;
            control.counts.timed_out += spans;
            control.failed(spans, ExportError::new(format!("the export took longer than {timeout:?}")));
        }
    }

    /// Lets the control go and tells everyone who waits that it has changed.
    fn tell(&self, mut control: MutexGuard<'_, Control>) {
        let waiters = std::mem::take(&mut control.waiters);
        drop(control);
        self.changed.notify_all();
        wake(waiters);
    }

    /// Wakes futures at their deadlines, for as long as there are any.
    fn run_timer(&self) {
        let mut control = lock(&self.control);
        loop {
            let now = Instant::now();
            let is_due = |waiter: &Waiter| waiter.deadline.is_some_and(|deadline| deadline <= now);
            let (due, rest) = std::mem::take(&mut control.waiters).into_iter().partition::<Vec<_>, _>(is_due);
            control.waiters = rest;
            if !due.is_empty() {
                drop(control);
                wake(due);
                control = lock(&self.control);
                continue;
            }
            let Some(next) = control.waiters.iter().filter_map(|waiter| waiter.deadline).min() else {
                control.timer_runs = false;
                return;
            };
            control = match self.changed.wait_timeout(control, next.saturating_duration_since(now)) {
                Ok((control, _)) => control,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Sees to it that somebody wakes the waiters at their deadlines; whether that could be done.
    pub(crate) fn ensure_timer(self: &Arc<Self>, control: &mut Control) -> bool {
        if control.timer_runs {
            self.changed.notify_all();
            return true;
        }
        let shared = Arc::clone(self);
        let timer = thread::Builder::new().name("throughline-timer".to_owned());
        control.timer_runs = timer.spawn(move || shared.run_timer()).is_ok();
        control.timer_runs
    }
}

// === impl Control ===

impl Control {
    fn failed(&mut self, spans: u64, error: ExportError) {
        self.failures.calls += 1;
        self.failures.spans += spans;
        self.last_error = Some(Arc::new(error));
    }

    pub(crate) fn failure_since(&self, before: Failures) -> Option<Failure> {
        (self.failures.calls > before.calls)
            .then(|| Failure { spans: self.failures.spans - before.spans, cause: self.last_error.clone() })
    }
}

/// Wakers are the runtime's code; one that panics must not end the worker.
fn wake(waiters: Vec<Waiter>) {
    for waiter in waiters {
        let _ = catch_unwind(AssertUnwindSafe(|| waiter.waker.wake()));
    }
}
