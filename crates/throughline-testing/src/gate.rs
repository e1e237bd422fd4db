//! Something to wait for, opened by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};

/// Holds back bodies, futures and services of a test until it is opened.
///
/// A clone is the same gate. Once opened it stays open.
///
/// ```
/// use throughline_testing::Gate;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let gate = Gate::new();
/// let opener = gate.clone();
/// tokio::spawn(async move { opener.open() });
/// gate.opened().await;
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<State>>);

/// Future that waits for a [`Gate`]; made by [`Gate::opened`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Opened(Gate);

#[derive(Debug, Default)]
struct State {
    open: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate for good, and wakes whoever waits.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.lock();
            state.open = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether the gate is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Waits until the gate is open.
    pub fn opened(&self) -> Opened {
        Opened(self.clone())
    }

    /// Ready when the gate is open; wakes the task when it is opened.
    pub fn poll_opened(&self, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.open {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Opened {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.0.poll_opened(cx)
    }
}
