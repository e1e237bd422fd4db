//! A future that looks at the current context.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use crate::{ContextLog, Gate, Point};

/// Future that notes in a [`ContextLog`] which span is current at each poll and when it is dropped.
///
/// Ready at once unless told otherwise; see [`ContextLog`] for an example.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct ContextProbe {
    log: ContextLog,
    pending: usize,
    gate: Option<Gate>,
    panics: bool,
}

impl ContextProbe {
    /// A probe that is ready at the first poll.
    pub fn new(log: &ContextLog) -> Self {
        Self { log: log.clone(), pending: 0, gate: None, panics: false }
    }

    /// First lets this many polls come to nothing, each of which wakes the task at once.
    pub fn pending(mut self, polls: usize) -> Self {
        self.pending = polls;
        self
    }

    /// Then waits for the gate.
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Never gets ready and never wakes.
    pub fn forever(self) -> Self {
        self.wait(&Gate::new())
    }

    /// Panics where it would have been ready.
    pub fn panicking(mut self) -> Self {
        self.panics = true;
        self
    }
}

impl Future for ContextProbe {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.log.note(Point::Poll);
        if self.pending > 0 {
            self.pending -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(gate) = &self.gate {
            if gate.poll_opened(cx).is_pending() {
                return Poll::Pending;
            }
        }
        assert!(!self.panics, "scripted panic");
        Poll::Ready(())
    }
}

impl Drop for ContextProbe {
    fn drop(&mut self) {
        self.log.note(Point::Drop);
    }
}
